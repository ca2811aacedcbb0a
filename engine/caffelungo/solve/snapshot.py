"""Names, writing, finding and keeping of snapshots. A snapshot is complete when its solverstate is there.

Caffe: Solver::Snapshot, Solver::SnapshotFilename, Solver::CheckSnapshotWritePermissions.
"""

from __future__ import annotations

import errno
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffelungo.errors import Location, LungoError, RunError, UserError
from caffelungo.weights import formats, solverstate
from caffelungo.weights.base import Weights
from caffelungo.weights.solverstate import SolverState

RETRIES = 3
"""Tries to write a file before the run gives up."""
PAUSE = 1.0
"""Seconds before the second try; doubled before each further one."""
DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a full disk or quota, which waiting does not mend."""


@dataclass(frozen=True)
class Snapshot:
    """One complete snapshot: the iteration, its weights and its state."""

    iteration: int
    weights: Path
    state: Path


def prefix_of(solver: Any, path: Path | str | None) -> Path:
    """Where snapshots go: snapshot_prefix; the solver file without its ending; a folder: the solver's name in it."""
    stem = Path(path) if path else Path("solver.prototxt")
    while stem.suffix in (".j2", ".prototxt", ".txt", ".pbtxt"):
        stem = stem.with_suffix("")
    if not solver.snapshot_prefix:
        return stem
    given = str(solver.snapshot_prefix)
    if given.endswith("/") or Path(given).is_dir():
        return Path(given) / stem.name
    return Path(given)


def names(prefix: Path, iteration: int, hdf5: bool) -> tuple[Path, Path]:
    """Paths of weights and state of ``iteration``."""
    ending = ".h5" if hdf5 else ""
    base = f"{prefix.name}_iter_{iteration}"
    return prefix.with_name(f"{base}.caffemodel{ending}"), prefix.with_name(f"{base}.solverstate{ending}")


def probe(prefix: Path, where: Location | None = None) -> None:
    """UserError unless files can be written beside ``prefix``."""
    try:
        with tempfile.TemporaryFile(prefix=f".{prefix.name}_iter_0.", suffix=".tempfile", dir=prefix.parent):
            return
    except OSError as error:
        parent = prefix.parent.absolute()
        existing = parent
        while not existing.is_dir():
            existing = existing.parent
        below = next((path for path in (parent, *parent.parents) if path.is_file()), None)
        if below is not None:
            remedy = f"choose another snapshot_prefix: {below} is a file; as {existing / prefix.name}"
        elif existing == parent:
            remedy = f"make {parent} writable, or choose another snapshot_prefix"
        else:
            remedy = f"mkdir -p {shlex.quote(str(parent))} (the nearest folder that exists is {existing})"
        raise UserError(
            f"cannot write to snapshot prefix '{prefix}': {error.strerror}",
            where=where, received=f'snapshot_prefix: "{prefix}"', remedy=remedy,
        ) from None  # fmt: skip


def _files(prefix: Path, kind: str) -> dict[int, Path]:
    pattern = re.compile(re.escape(prefix.name) + r"_iter_(\d+)\." + kind + r"(\.h5)?")
    found = {}
    if prefix.parent.is_dir():
        for path in prefix.parent.iterdir():
            if match := pattern.fullmatch(path.name):
                found[int(match[1])] = path
    return found


def listed(prefix: Path) -> list[Snapshot]:
    """Snapshots under ``prefix`` that have both files, oldest first; whether they can be read is not looked at."""
    weights = _files(prefix, "caffemodel")
    return [
        Snapshot(iteration, weights[iteration], state)
        for iteration, state in sorted(_files(prefix, "solverstate").items())
        if iteration in weights
    ]


def newest_complete(prefix: Path, say: Callable[[str], None] = lambda text: None) -> Snapshot | None:
    """The newest snapshot under ``prefix`` whose state and weights can be read; ``say`` hears of those passed over."""
    for snapshot in reversed(listed(prefix)):
        try:
            solverstate.read(snapshot.state)
            formats.read(snapshot.weights)
        except LungoError as error:
            say(f"{snapshot.state.name} is passed over: {str(error).splitlines()[0]}")
            continue
        return snapshot
    return None


def best_of(prefix: Path, hdf5: bool) -> Path:
    """Where the best weights of a run go: ``<prefix>_best.caffemodel``."""
    return prefix.with_name(f"{prefix.name}_best.caffemodel" + (".h5" if hdf5 else ""))


def refuse_overwriting(prefix: Path, after: int | None, where: Location | None = None, *, best: bool = False) -> None:
    """UserError when snapshots of an older run stand where this one will write.

    ``after``: a resumed run's iteration; older snapshots are its own, and a newer one without a state is a rest of
    the run that was broken off. None: a new run. ``best``: the run will keep its best weights.
    """
    if after is None:
        old = sorted({**_files(prefix, "caffemodel"), **_files(prefix, "solverstate")})
    else:
        old = [snapshot.iteration for snapshot in listed(prefix) if snapshot.iteration > after]
    if old:
        many = f"{len(old)} of them, " if len(old) > 1 else ""
        raise UserError(
            "snapshots of an older run stand where this one would write",
            where=where,
            received=f"{many}the newest {prefix}_iter_{old[-1]}",
            remedy=("--resume goes on from the newest; else " if listed(prefix) else "")
            + "give another snapshot_prefix, or --overwrite",
        )
    kept = next((path for path in (best_of(prefix, False), best_of(prefix, True)) if path.exists()), None)
    if best and after is None and kept is not None:
        raise UserError(
            "the best weights of an older run stand where this one would keep its own",
            where=where,
            received=str(kept),
            remedy="give another snapshot_prefix, or --overwrite",
        )


def sweep(prefix: Path) -> None:
    """Remove temporary files that a killed run left under ``prefix``."""
    for pattern in (f".{prefix.name}_iter_*.tmp", f".{prefix.name}_best.*.tmp", f".{prefix.name}_start_*.tmp"):
        for path in prefix.parent.glob(pattern):
            path.unlink(missing_ok=True)


def write(
    prefix: Path,
    iteration: int,
    hdf5: bool,
    weights: Weights,
    state: SolverState,
    net: Any,
    shared: frozenset[tuple[str, int]],
    logged: Callable[[str, Path], None] = lambda what, path: None,
) -> Snapshot:
    """Write weights, then the state, whose appearance makes the snapshot complete.

    A failed write is tried again shortly; on a full disk older snapshots stay as they are and RunError says so.
    """
    model, solver_state = names(prefix, iteration, hdf5)
    state.learned_net = str(model)
    logged("weights", model)
    fresh = not model.exists()
    solver_state.unlink(missing_ok=True)
    insistent(lambda: formats.write(model, weights, net, shared), model, prefix)
    logged("state", solver_state)
    try:
        insistent(lambda: solverstate.write(solver_state, state), solver_state, prefix)
    except RunError:
        if fresh:
            model.unlink(missing_ok=True)
        raise
    return Snapshot(iteration, model, solver_state)


def insistent(action: Callable[[], None], path: Path, prefix: Path) -> None:
    """``action``, tried again when the file system fails; RunError naming the newest good snapshot when it keeps on."""
    pause = PAUSE
    for attempt in range(1, RETRIES + 1):
        try:
            action()
            return
        except OSError as error:
            if attempt == RETRIES or error.errno in DISK_FULL:
                left = listed(prefix)
                good = (
                    f"the newest complete snapshot is {left[-1].state}" if left else "no snapshot was complete before"
                )
                raise RunError(
                    f"{path} cannot be written: {error.strerror or error}\n"
                    f"  received: {attempt} failed attempt(s)\n"
                    f"  to do: free space or mend the disk, then go on with --resume; {good}"
                ) from error
            time.sleep(pause)
            pause *= 2


def discard(snapshots: Iterable[Snapshot]) -> None:
    """Delete ``snapshots``, each state first, so that none is ever half there."""
    for snapshot in snapshots:
        snapshot.state.unlink(missing_ok=True)
        snapshot.weights.unlink(missing_ok=True)


def start_of(prefix: Path, digest: str) -> Path:
    """Where a run keeps what it started from: ``<prefix>_start_<digest>.caffemodel``."""
    return prefix.with_name(f"{prefix.name}_start_{digest[:12]}.caffemodel")


def discard_starts(prefix: Path, kept: Path | None) -> None:
    """Delete what older runs under ``prefix`` started from, all but ``kept``."""
    for path in prefix.parent.glob(f"{prefix.name}_start_*.caffemodel"):
        if kept is None or path.absolute() != kept.absolute():
            path.unlink(missing_ok=True)
