"""The folder each run leaves behind: what was run, on what, with what, and how it went."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caffelungo import drafts, files
from caffelungo.data.source import DataSource
from caffelungo.definition.printer import print_lines, print_net
from caffelungo.solve import ledger
from caffelungo.solve.ledger import BEGUN, WHOLE, Ledger

LOG, METRICS, CURVES, RECORD = "train.log", "metrics.csv", "curves.png", "run.json"
HASHED_BYTES = 64 * 2**20
"""Source files up to this size are hashed whole; of larger ones the beginning and the size."""
HASHED_PICTURES = 100_000
"""Pictures whose sizes are hashed besides their names; of those beyond, the names only."""


def existing(prefix: Path) -> list[Path]:
    """The run folders of ``prefix``, oldest first."""
    pattern = re.compile(re.escape(prefix.name) + r"_run_(\d+)")
    if not prefix.parent.is_dir():
        return []
    found = {
        int(m[1]): path for path in prefix.parent.iterdir() if (m := pattern.fullmatch(path.name)) and path.is_dir()
    }
    return [found[number] for number in sorted(found)]


def sweep(prefix: Path) -> None:
    """Remove the drafts that killed runs left in their folders."""
    for folder in existing(prefix):
        drafts.sweep(folder)


def create(prefix: Path) -> Path:
    """Make the next run folder of ``prefix``: ``<prefix>_run_001``, ``_002`` ...; a resumed run gets its own."""
    old = existing(prefix)
    number = int(old[-1].name.rsplit("_", 1)[1]) + 1 if old else 1
    while True:
        folder = prefix.with_name(f"{prefix.name}_run_{number:03d}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        return folder


def earlier(prefix: Path) -> Ledger:
    """What the runs of ``prefix`` so far have written."""
    return Ledger(None, [ledger.read(folder) for folder in existing(prefix)])


def writer(prefix: Path, path: Path) -> Path | None:
    """The folder of the last run of ``prefix`` that wrote ``path``; None where none says so."""
    named = [folder for folder in existing(prefix) if ledger.read(folder).get(path.name) in (BEGUN, WHOLE)]
    return named[-1] if named else None


def metrics_before(prefix: Path, state: Path) -> list[Path]:
    """Where the rows up to ``state`` may be: the file of the run that wrote it; of all runs where none is known to."""
    wrote = writer(prefix, state)
    folders = [wrote] if wrote is not None else list(reversed(existing(prefix)))
    return [folder / METRICS for folder in folders]


def record(
    folder: Path,
    *,
    solver: Any,
    net: Any,
    tests: Sequence[Any] = (),
    seed: int,
    settings: Mapping[str, str],
    command: Sequence[str],
    weights: Sequence[str],
    resumed_from: str | None,
    sources: Mapping[str, Sequence[DataSource]],
    set_solver: Sequence[str] = (),
) -> None:
    """Write the expanded nets and solver, and ``run.json``. Test nets (``tests``) that are the train net's file too
    are written once."""
    files.write_text(folder / "net.prototxt", print_net(net))
    for number, test in enumerate(tests):
        if test != net:
            files.write_text(folder / f"test_net_{number}.prototxt", print_net(test))
    files.write_text(folder / "solver.prototxt", "\n".join(print_lines(solver)) + "\n")
    content = {
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": list(command),
        "working_folder": str(Path.cwd()),
        "seed": seed,
        "weights": list(weights),
        "resumed_from": resumed_from,
        "set_solver": list(set_solver),
        "settings": dict(settings),
        "python": platform.python_version(),
        "system": platform.platform(),
        "data": {net: [fingerprint(source) for source in of_net] for net, of_net in sources.items()},
    }
    files.write_text(folder / RECORD, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def data_changes(before: Path, now: Path) -> list[str]:
    """A line for each layer whose data is not what it was in the run of the folder ``before``, as both records say."""
    try:
        old, new = (json.loads((folder / RECORD).read_text("utf-8"))["data"] for folder in (before, now))
        known = {(net, one["layer"]): one for net, sources in old.items() for one in sources}
        pairs = [(net, one, known.get((net, one["layer"]))) for net, sources in new.items() for one in sources]
        return [
            f"the data of layer `{one['layer']}` ({net}) has changed: {one['samples']} samples, {was['samples']} before"
            for net, one, was in pairs
            if was is not None and was["sha256"] != one["sha256"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def fingerprint(source: DataSource) -> dict[str, Any]:
    """Name, size and hash of what ``source`` reads: its files' bytes, its pictures' names and sizes, its labels."""
    digest = hashlib.sha256()
    paths = source_files(source)
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(HASHED_BYTES))
    pictures: Any = getattr(source, "pictures", None)
    for index, name in enumerate(pictures.names if pictures is not None else ()):
        size = _size(Path(pictures.path(index))) if index < HASHED_PICTURES else 0
        digest.update(f"{name} {size}\n".encode(errors="surrogateescape"))
    labels = source.labels()
    if labels is None:
        labels = getattr(pictures, "targets", None)
    if labels is not None:
        digest.update(labels.tobytes())
    return {
        "layer": source.name,
        "type": str(source.param.type),
        "files": [str(path) for path in paths],
        "samples": source.size,
        "sha256": digest.hexdigest(),
    }


def _size(path: Path) -> int:
    """Bytes of ``path``; -1 where there is none, which training says in better words when it comes to it."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def source_files(source: DataSource) -> list[Path]:
    """The files that the ``source`` field of the layer names: a list and the HDF5 files in it, a database's data."""
    for name in ("data_param", "image_data_param", "hdf5_data_param", "window_data_param"):
        if source.param.HasField(name):
            for path in files.candidates(getattr(source.param, name).source, source.opening.beside):
                if path.is_file():
                    return [path, *getattr(source, "files", ())]
                if path.is_dir():
                    return [file for file in sorted(path.glob("*.mdb")) if file.name != "lock.mdb"]
    return []
