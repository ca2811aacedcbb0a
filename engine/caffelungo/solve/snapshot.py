"""Names, writing, finding and keeping of snapshots. A snapshot is complete when its solverstate is there.

Caffe: Solver::Snapshot, Solver::SnapshotFilename, Solver::CheckSnapshotWritePermissions.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from caffelungo import drafts, files, shell
from caffelungo.errors import Location, LungoError, RunError, UserError
from caffelungo.solve.ledger import BEGUN, GOING, WHOLE, Ledger
from caffelungo.weights import formats, solverstate
from caffelungo.weights.solverstate import SolverState
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

Done = TypeVar("Done")

RETRIES = 3
"""Tries to write a file before the run gives up."""
PAUSE = 1.0
"""Seconds before the second try; doubled before each further one."""
DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS)
"""Errors of a full disk or quota, or of one that turned read-only: waiting does not mend them."""
WEIGHTS = r"(?:\.caffemodel(?:\.h5)?|\.safetensors)"
"""The endings of weights, for a regular expression."""
STATES = r"\.solverstate(?:\.h5)?"


@dataclass(frozen=True)
class SnapshotForm:
    """How snapshots end: ``weights`` and ``state``."""

    weights: str
    state: str


FORMS = {
    "caffemodel": SnapshotForm(".caffemodel", ".solverstate"),
    "h5": SnapshotForm(".caffemodel.h5", ".solverstate.h5"),
    "safetensors": SnapshotForm(".safetensors", ".solverstate"),
}
"""By the words of --weights-format."""


def form_of(solver: Any) -> SnapshotForm:
    """The form of snapshots that a SolverParameter asks for."""
    word = type(solver.lungo).DESCRIPTOR.fields_by_name["weights_format"].enum_type
    wanted = word.values_by_number[solver.lungo.weights_format].name.lower()
    return FORMS.get(wanted) or FORMS["h5" if int(solver.snapshot_format) == 0 else "caffemodel"]


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
    if given.endswith("/") or _is_folder(Path(given)):
        return Path(given) / stem.name
    return Path(given)


def names(prefix: Path, iteration: int, form: SnapshotForm) -> tuple[Path, Path]:
    """Paths of weights and state of ``iteration``."""
    base = f"{prefix.name}_iter_{iteration}"
    return prefix.with_name(base + form.weights), prefix.with_name(base + form.state)


_LONGEST = "_iter_2147483647.solverstate.h5.12345678.tempfile"
"""The longest ending of a file that a training makes."""


def probe(prefix: Path, where: Location | None = None) -> None:
    """UserError unless files can be written beside ``prefix``."""
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            prefix.with_name(prefix.name + _LONGEST).stat()  # an unnamed file would not tell of a name too long
        with tempfile.TemporaryFile(prefix=f".{prefix.name}_iter_0.", suffix=".tempfile", dir=prefix.parent):
            return
    except OSError as error:
        parent = prefix.parent.absolute()
        existing = parent
        while not _is_folder(existing):
            existing = existing.parent
        if error.errno == errno.ENAMETOOLONG:
            remedy = "choose a shorter snapshot_prefix"
        elif (below := next((path for path in (parent, *parent.parents) if path.is_file()), None)) is not None:
            remedy = f"choose another snapshot_prefix: {below} is a file; as {existing / prefix.name}"
        elif existing == parent:
            remedy = f"make {parent} writable, or choose another snapshot_prefix"
        else:
            remedy = f"mkdir -p {shell.word(parent)} (the nearest folder that exists is {existing})"
        raise UserError(
            f"cannot write to snapshot prefix '{prefix}': {error.strerror}",
            where=where, received=f'snapshot_prefix: "{prefix}"', remedy=remedy,
        ) from None  # fmt: skip


def _is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder; a name that is too long for the system is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _files(prefix: Path, kind: str) -> dict[int, Path]:
    pattern = re.compile(re.escape(prefix.name) + r"_iter_(\d+)" + kind)
    found = {}
    if prefix.parent.is_dir():
        for path in prefix.parent.iterdir():
            if match := pattern.fullmatch(path.name):
                found[int(match[1])] = path
    return found


def listed(prefix: Path) -> list[Snapshot]:
    """Snapshots under ``prefix`` that have both files, oldest first; whether they can be read is not looked at."""
    weights = _files(prefix, WEIGHTS)
    return [
        Snapshot(iteration, weights[iteration], state)
        for iteration, state in sorted(_files(prefix, STATES).items())
        if iteration in weights
    ]


def newest_complete(prefix: Path, say: Callable[[str], None] = lambda text: None) -> Snapshot | None:
    """The newest snapshot under ``prefix`` whose state and weights can be read; ``say`` hears of those passed over."""
    for snapshot in reversed(listed(prefix)):
        try:
            solverstate.read(snapshot.state)
            formats.read(snapshot.weights)
        except LungoError as error:
            say(f"{snapshot.state.name} is skipped: {str(error).splitlines()[0]}")
            continue
        return snapshot
    return None


def best_of(prefix: Path, form: SnapshotForm) -> Path:
    """Where the best weights of a run go: ``<prefix>_best.caffemodel``."""
    return prefix.with_name(f"{prefix.name}_best{form.weights}")


def refuse_overwriting(
    prefix: Path, after: int | None, ledger: Ledger, where: Location | None = None, *, best: bool = False
) -> None:
    """UserError when snapshots of an older run exist where this one will write.

    ``after``: a resumed run's iteration; older snapshots are its own, and a newer one without a state was left by
    a run that was killed while it wrote. None: a new run, which counts weights without a state unless ``ledger``, the
    record of the runs so far, says the same of them. ``best``: the run will keep its best weights.
    """
    if after is None:
        states = _files(prefix, STATES)
        weights = _files(prefix, WEIGHTS)
        half = {one for one, path in weights.items() if one not in states and ledger.status(path.name) == BEGUN}
        old = sorted((weights.keys() | states.keys()) - half)
    else:
        old = [snapshot.iteration for snapshot in listed(prefix) if snapshot.iteration > after]
    if old:
        many = f"{len(old)} of them, " if len(old) > 1 else ""
        raise UserError(
            "snapshots of an earlier run would be overwritten",
            where=where,
            received=f"{many}the newest {prefix}_iter_{old[-1]}",
            remedy=("use --resume to continue from the newest; otherwise " if listed(prefix) else "")
            + "give another snapshot_prefix, or --overwrite",
        )
    kept = next((path for form in FORMS.values() if (path := best_of(prefix, form)).exists()), None)
    if best and after is None and kept is not None:
        raise UserError(
            "the best weights of an earlier run would be overwritten",
            where=where,
            received=str(kept),
            remedy="give another snapshot_prefix, or --overwrite",
        )


def sweep(prefix: Path, ledger: Ledger, keep_last: bool) -> None:
    """Remove what a killed run left: drafts, snapshots that were going, and, with ``keep_last``, weights whose state
    was never written, which no snapshot would ever take away."""
    drafts.sweep(prefix.parent)
    states = _files(prefix, STATES)
    kinds = (GOING, BEGUN) if keep_last else (GOING,)
    rests = [prefix.with_name(name) for name in ledger.names(*kinds)]
    weights = {path: iteration for iteration, path in _files(prefix, WEIGHTS).items()}
    ledger.remove(
        path for path in rests if ledger.status(path.name) == GOING or (path in weights and weights[path] not in states)
    )


def write(
    prefix: Path,
    iteration: int,
    form: SnapshotForm,
    weights: Weights,
    state: SolverState,
    net: Any,
    shared: frozenset[tuple[str, int]],
    logged: Callable[[str, Path], None] = lambda what, path: None,
    ledger: Ledger | None = None,
) -> Snapshot:
    """Write weights and state beside their places; then give them their names, the state, which completes the
    snapshot, last.

    A failed write is tried again shortly; on a full disk older snapshots, one of the same iteration too, stay as they
    are and RunError says so.
    """
    model, solver_state = names(prefix, iteration, form)
    state.learned_net = str(model)
    ledger = ledger or Ledger()
    with contextlib.ExitStack() as stack:
        draft = insistent(lambda: stack.enter_context(drafts.folder(model)), model, prefix)
        logged("weights", model)
        insistent(lambda: formats.write(draft / model.name, weights, net, shared), model, prefix)
        logged("state", solver_state)
        insistent(lambda: solverstate.write(draft / solver_state.name, state), solver_state, prefix)
        insistent(lambda: _commit(draft, model, solver_state, ledger), model, prefix)
    return Snapshot(iteration, model, solver_state)


def _commit(draft: Path, model: Path, state: Path, ledger: Ledger) -> None:
    """Give the two files in ``draft`` their names; done again, it does what is left."""
    both = [model.name, state.name]
    ledger.note(both, BEGUN)
    if (draft / model.name).exists():
        state.unlink(missing_ok=True)
        os.replace(draft / model.name, model)
        files.sync_folder(model.parent)
    if (draft / state.name).exists():
        os.replace(draft / state.name, state)
        files.sync_folder(state.parent)
    ledger.note(both, WHOLE)


def insistent(action: Callable[[], Done], path: Path, prefix: Path) -> Done:
    """``action``, tried again when the file system fails; RunError naming the newest good snapshot when it keeps on."""
    pause = PAUSE
    for attempt in range(1, RETRIES + 1):
        try:
            return action()
        except OSError as error:
            if attempt == RETRIES or error.errno in DISK_FULL:
                left = listed(prefix)
                good = (
                    f"the newest complete snapshot is {left[-1].state}" if left else "no snapshot was complete before"
                )
                raise RunError(
                    f"{path} cannot be written: {error.strerror or error}\n"
                    f"  received: {counted(attempt, 'failed attempt')}\n"
                    f"  to do: free space or repair the disk, then continue with --resume; {good}"
                ) from error
            time.sleep(pause)
            pause *= 2
    raise AssertionError("the last attempt returns or raises")


def discard(snapshots: Sequence[Snapshot], ledger: Ledger) -> list[Snapshot]:
    """Delete those of ``snapshots`` that runs have written, each state first, so that none is ever half there.

    Returns the others.
    """
    left = ledger.remove(path for one in snapshots for path in (one.state, one.weights))
    return [one for one in snapshots if one.state in left or one.weights in left]


def start_of(prefix: Path, digest: str) -> Path:
    """Where a run keeps what it started from: ``<prefix>_start_<digest>.caffemodel``."""
    return prefix.with_name(f"{prefix.name}_start_{digest[:12]}.caffemodel")


def discard_starts(prefix: Path, kept: Path | None, ledger: Ledger) -> None:
    """Delete what older runs under ``prefix`` started from, all but ``kept``."""
    pattern = re.compile(re.escape(prefix.name) + r"_start_[0-9a-f]{12}\.caffemodel")
    starts = [prefix.with_name(name) for name in ledger.names(BEGUN, WHOLE, GOING) if pattern.fullmatch(name)]
    ledger.remove(path for path in starts if kept is None or path.absolute() != kept.absolute())
