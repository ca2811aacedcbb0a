"""The files of a run: its snapshots, and the weights that it began with. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo import shell
from caffelungo.errors import Location, UserError
from caffelungo.solve import run_folder
from caffelungo.solve.snapshot import WEIGHTS
from caffelungo.weights.load import TORCHVISION, split

MOST = 12
"""Snapshots that are looked at; of more, some at even distances, the first and the last among them."""
_NAME = re.compile(r"(?P<prefix>.+)_iter_(?P<iteration>\d+)" + WEIGHTS)
_RUN = re.compile(r"(?P<prefix>.+)_run_\d+")


@dataclass(frozen=True)
class Weighed:
    """Weights of one iteration of a run."""

    iteration: int
    path: Path


def snapshot_prefix(weights: str | Path) -> Path | None:
    """``mine/solver`` for ``mine/solver_iter_300.caffemodel``; None for files that are called otherwise."""
    found = _NAME.fullmatch(Path(weights).name)
    return Path(weights).with_name(found["prefix"]) if found else None


def find(given: str | None, weights: Sequence[str]) -> list[Weighed]:
    """The snapshots of the prefix, folder or run folder ``given``, oldest first; of those beside ``weights`` if None.

    UserError when ``given`` has none, or those of several runs.
    """
    own = snapshot_prefix(weights[-1]) if weights else None
    if given is None:
        return _thinned(_of_prefix(own)) if own is not None else []
    path = Path(given)
    prefixes = [path]
    if path.is_dir():
        run = _RUN.fullmatch(path.name)
        inside = {prefix for file in sorted(path.iterdir()) if (prefix := snapshot_prefix(file)) is not None}
        prefixes = sorted(inside)
        if own in inside:
            prefixes = [own]
        elif run and not inside:
            prefixes = [path.with_name(run["prefix"])]
    if len(prefixes) > 1:
        names = ", ".join(prefix.name for prefix in prefixes)
        raise UserError(
            "the folder contains snapshots of several runs",
            where=Location(given), received=names, remedy=f"name one of them: --snapshots {shell.word(prefixes[-1])}",
        )  # fmt: skip
    found = [one for prefix in prefixes for one in _of_prefix(prefix)]
    if not found:
        raise UserError(
            "no snapshots there",
            where=Location(given),
            received="no file called PREFIX_iter_N.caffemodel",
            remedy="name the snapshot_prefix of the solver, or the folder of its snapshots",
        )
    return _thinned(found)


def _of_prefix(prefix: Path) -> list[Weighed]:
    if not prefix.parent.is_dir():
        return []
    found = {}
    for path in sorted(prefix.parent.iterdir()):
        name = _NAME.fullmatch(path.name)
        if name and name["prefix"] == prefix.name:
            found[int(name["iteration"])] = path
    return [Weighed(iteration, found[iteration]) for iteration in sorted(found)]


def _thinned(found: list[Weighed]) -> list[Weighed]:
    if len(found) <= MOST:
        return found
    return [found[round(k * (len(found) - 1) / (MOST - 1))] for k in range(MOST)]


def began_with(weights: Sequence[str]) -> str | None:
    """The weights (a comma list) that the training of ``weights`` began with, as its record says; None if not known."""
    prefix = snapshot_prefix(weights[-1]) if weights else None
    for folder in reversed(run_folder.existing(prefix) if prefix is not None else []):
        try:
            record = json.loads((folder / run_folder.RECORD).read_text("utf-8"))
            names = [name for given in record["weights"] for name in split(str(given))]
            there = Path(record["working_folder"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        names = [name if name.startswith(TORCHVISION) else str(there / name) for name in names]
        if names and all(name.startswith(TORCHVISION) or Path(name).is_file() for name in names):
            return ",".join(names)
    return None
