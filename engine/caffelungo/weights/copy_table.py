"""What is copied from a file of weights into a net: a row per layer, the arrays, and all that does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from caffelungo.errors import Problem
from caffelungo.layers.base import Shape, shape_text
from caffelungo.plan.plan import ParamKey
from caffelungo.weights.weights import Array
from caffelungo.wording import counted

COPIED = "copied"
RESHAPED = "reshaped"
SHARED = "shared"
NEW = "new"
REINIT = "new (reinit)"
MISMATCH = "shape mismatch"
UNUSED = "unused in file"


LISTED_ROWS = 40
"""A table longer than this shows runs of copied layers as one row."""


@dataclass(frozen=True)
class CopyRow:
    """One layer: the shapes of its blobs in the net and in the file, what happens to it, and why."""

    layer: str
    net: tuple[Shape, ...]
    file: tuple[Shape, ...]
    status: str
    note: str = ""


@dataclass
class CopyTable:
    """What is copied. ``arrays`` holds values by owner's key, in the net's shapes; ``problems`` all mismatches."""

    rows: list[CopyRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    arrays: dict[ParamKey, Array] = field(default_factory=dict)
    path: str = ""

    def layers(self, *statuses: str) -> list[str]:
        """Names of the layers with one of ``statuses``."""
        return [row.layer for row in self.rows if row.status in statuses]

    def summary(self) -> str:
        """One line: how many layers of each status."""
        totals: dict[str, int] = {}
        for row in self.rows:
            totals[row.status] = totals.get(row.status, 0) + 1
        text = ", ".join(f"{total} {status}" for status, total in totals.items()) or "nothing to copy"
        return f"Weights from {self.path}: {text}" if self.path else text

    def render(self) -> str:
        """The table as text: layer, shapes in the net and in the file, status, note."""
        rows = self.rows if len(self.rows) <= LISTED_ROWS else _collapsed(self.rows)
        cells = [("layer", "net", "file", "", "")]
        cells += [(row.layer, shapes_text(row.net), shapes_text(row.file), row.status, row.note) for row in rows]
        widths = [max(len(line[column]) for line in cells) for column in range(4)]
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]).rstrip()
            for line in cells
        ]
        return "\n".join([self.summary(), *lines]) if self.rows else self.summary()


def shapes_text(shapes: Iterable[Shape]) -> str:
    return " ".join(shape_text(shape) for shape in shapes) or "-"


def _collapsed(rows: list[CopyRow]) -> list[CopyRow]:
    """Runs of copied layers as one row each."""
    result: list[CopyRow] = []
    run: list[CopyRow] = []
    for row in [*rows, None]:
        if row is not None and row.status == COPIED:
            run.append(row)
            continue
        if len(run) > 2:
            result.append(CopyRow(f"{run[0].layer} ... {run[-1].layer}", (), (), COPIED, counted(len(run), "layer")))
        else:
            result += run
        run = []
        if row is not None:
            result.append(row)
    return result
