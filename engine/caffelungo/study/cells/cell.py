"""A cell: one thing that a study computes once, and its result on disk.

A cell is addressed by its content: what computes it (``kind`` and its version), with what (``fields``), on top of what
(``needs``). Equal content is the same cell, whoever asks for it and whenever.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from caffelungo.errors import Location, UserError

JSON = Any
"""None, bool, int, float (finite), str, or lists and dicts of them."""
RESULT = "result.json"
EXACT = 2**53
"""Whole numbers below this are the same number as a float and as an int."""


@dataclass(frozen=True, eq=False)
class Cell:
    """``kind`` is ``module:function``, imported only where the cell runs; the module has a constant ``VERSION``.

    What it computes follows from its content alone, not from what ran in its process before.
    ``fields`` are JSON, as a copy that later changes of the caller's do not reach. ``title`` is for people and not part
    of the content. UserError where ``fields`` are no JSON, or ``kind`` names nothing.
    """

    kind: str
    fields: Mapping[str, JSON]
    needs: tuple[Cell, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        try:
            copied = json.loads(json.dumps(dict(self.fields), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise UserError(
                f"the fields of a cell are not JSON: {error}",
                received=f"{self.kind} {dict(self.fields)!r}",
                remedy="use finite numbers, strings, true, false, null, and lists and maps of them",
            ) from error
        object.__setattr__(self, "fields", copied)
        object.__setattr__(self, "needs", tuple(self.needs))

    @cached_property
    def key(self) -> str:
        """SHA-256 of kind, version, fields and the needs' keys, hexadecimal. 1 and 1.0 are one number."""
        content = [self.kind, self.version, _plain(self.fields), [need.key for need in self.needs]]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def version(self) -> JSON:
        """``VERSION`` of the kind's module."""
        return version_of(self.kind.partition(":")[0])

    @property
    def name(self) -> str:
        """What people see: the title, else function and start of the key."""
        return self.title or f"{self.kind.rpartition(':')[2]} {self.key[:8]}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class CellResult:
    """What came of a cell. ``values`` are empty where it failed, ``error`` is None where it is done.

    ``folder`` holds the files it left; ``cpu_seconds`` are those of all threads of its process.
    """

    key: str
    status: str
    values: dict[str, JSON]
    error: str | None
    seconds: float
    cpu_seconds: float
    folder: Path

    @property
    def done(self) -> bool:
        """Whether there are values."""
        return self.status == "done"


def load(study: Path, key: str) -> CellResult | None:
    """The result of the cell ``key`` in the folder ``study``, done or failed; None when it never ended."""
    folder = study / "cells" / key
    path = folder / RESULT
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = {name: found[name] for name in ("status", "values", "error", "seconds", "cpu_seconds")}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "this is not the result of a cell; another program has changed the file",
            where=Location(str(path)),
            received=str(error),
            remedy=f"remove {folder}; the cell then runs again",
        ) from error
    return CellResult(key=key, folder=folder, **parts)


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """``cells`` and all they need, each once, needs before what needs them, else in the order given."""
    ordered: dict[str, Cell] = {}

    def visit(cell: Cell) -> None:
        if cell.key not in ordered:
            for need in cell.needs:
                visit(need)
            ordered[cell.key] = cell

    for cell in cells:
        visit(cell)
    return list(ordered.values())


def packed(cell: Cell) -> list[dict[str, JSON]]:
    """``cell`` and what it needs as JSON, each once; ``unpacked`` is the inverse."""
    cells = in_order([cell])
    index = {each.key: number for number, each in enumerate(cells)}
    return [
        {
            "kind": each.kind,
            "fields": dict(each.fields),
            "needs": [index[need.key] for need in each.needs],
            "title": each.title,
        }
        for each in cells
    ]


def unpacked(rows: Sequence[Mapping[str, JSON]]) -> Cell:
    """The last of ``rows`` as a cell."""
    cells: list[Cell] = []
    for row in rows:
        needs = tuple(cells[number] for number in row["needs"])
        cells.append(Cell(row["kind"], row["fields"], needs, row["title"]))
    return cells[-1]


@cache
def version_of(module: str) -> JSON:
    """``VERSION`` of ``module``, read from its source: importing it could load PyTorch."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise UserError(
            "a cell's kind names a missing module",
            received=repr(module),
            remedy="write it as package.module:function",
        )
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["VERSION"]:
            return ast.literal_eval(node.value)
    raise UserError(
        "a cell's module has no VERSION",
        where=Location(spec.origin),
        remedy="add a line VERSION = 1 there, and increase it whenever its numbers change",
    )


def _plain(value: JSON) -> JSON:
    """``value`` with whole floats as ints, so that 1 and 1.0 have one address."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
