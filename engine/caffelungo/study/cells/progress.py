"""How far a study is: what is done, what runs now, and how long the rest will take by what alike cells took."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from caffelungo.study.cells.cell import Cell, CellResult

UNLIKE = ("seed", "rate")
"""Fields that do not change how long a cell takes."""


@dataclass(frozen=True)
class RunningCell:
    """A cell at work: since when (monotonic seconds), and what it last said of itself."""

    cell: Cell
    since: float
    share: float = 0.0
    text: str = ""


@dataclass(frozen=True)
class Standing:
    """``left`` counts the running cells, too. ``seconds_left`` is None while nothing is known about it.

    ``elsewhere`` of them are in the hands of another runner. ``ended`` is the cell that this report is about, if it is
    about the end of one.
    """

    done: int
    failed: int
    left: int
    running: tuple[RunningCell, ...]
    seconds_left: float | None
    elsewhere: int = 0
    ended: tuple[Cell, CellResult] | None = None


@dataclass
class Clock:
    """What cells took, by likeness: all fields but seed and rate, else the kind, else any cell."""

    _took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _names: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def measured(self, cell: Cell, seconds: float) -> None:
        """Learn that ``cell`` took so long."""
        for name in self._likenesses(cell):
            self._took[name].append(seconds)

    def expected(self, cell: Cell) -> float | None:
        """Seconds that ``cell`` will take; None when no cell has ended."""
        for name in self._likenesses(cell):
            if took := self._took.get(name):
                return sum(took) / len(took)
        return None

    def left(self, running: Iterable[RunningCell], waiting: Iterable[Cell], workers: int) -> float | None:
        """Seconds until all are done with so many workers; None when nothing is known."""
        total, guesses, unknown = 0.0, [], 0
        for each in running:
            gone = time.monotonic() - each.since
            expected = gone / each.share if each.share > 0.02 else self.expected(each.cell)
            if expected is None:
                unknown += 1
            else:
                guesses.append(expected)
                total += max(0.0, expected - gone)
        for cell in waiting:
            expected = self.expected(cell)
            unknown += expected is None
            total += expected or 0.0
        if unknown and not guesses:
            return None
        return (total + unknown * (sum(guesses) / len(guesses) if guesses else 0.0)) / workers

    def _likenesses(self, cell: Cell) -> tuple[str, str, str]:
        if (names := self._names.get(cell.key)) is None:
            alike = {name: value for name, value in cell.fields.items() if name not in UNLIKE}
            names = self._names[cell.key] = (f"{cell.kind} {json.dumps(alike, sort_keys=True)}", cell.kind, "")
        return names
