"""The numbers of a run as a CSV file: one row for each displayed iteration and for each test."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from caffelungo import tabular

COLUMNS = ("iteration", "seconds", "phase", "net", "name", "value")


@dataclass(frozen=True)
class Point:
    """``value`` of ``name`` at ``iteration``; ``phase`` is "train" or "test", ``net`` the number of the test net."""

    iteration: int
    phase: str
    net: int
    name: str
    value: float


@dataclass
class MetricsFile:
    """Points in memory, for the curves, and in a file (long format: one value per row)."""

    path: Path | None = None
    points: list[Point] = field(default_factory=list)
    failed: OSError | None = None
    """Why the file is not written any more."""

    def open(self, path: Path, earlier: Sequence[Path] = (), before: int = 0) -> None:
        """Write to ``path`` from now on.

        A resumed run takes over the rows that lie ``before``, of that one of the files ``earlier`` that has most of
        them; of two that have as many, the first.
        """
        found = [[row for row in read(one) if row[0].iteration < before] for one in earlier]
        kept = max(found, key=len, default=[])
        self._write(path, kept)
        self.path = path
        self.points = [point for point, _ in kept] + self.points

    def rewind(self, before: int) -> None:
        """Forget what lies at iteration ``before`` and later: the run goes on from there anew."""
        self.points = [point for point in self.points if point.iteration < before]
        if self.path:
            self._write(self.path, [row for row in read(self.path) if row[0].iteration < before])

    def _write(self, path: Path, kept: Sequence[tuple[Point, float]]) -> None:
        with tabular.written(path) as writer:
            writer.row(COLUMNS)
            writer.rows(_row(point, seconds) for point, seconds in kept)

    def add(self, iteration: int, seconds: float, phase: str, values: Mapping[str, float], net: int = 0) -> None:
        """Record ``values`` by name; ``seconds`` since the run began.

        A file that fails (a full disk) is given up, with the rows that are whole; ``failed`` says why.
        """
        points = [Point(iteration, phase, net, name, float(value)) for name, value in values.items()]
        self.points += points
        if self.path:
            before = None
            try:
                before = self.path.stat().st_size
                with self.path.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
                    tabular.Writer(file, "\r\n").rows(_row(point, seconds) for point in points)
            except OSError as error:
                if before is not None:
                    with contextlib.suppress(OSError):
                        os.truncate(self.path, before)
                self.path, self.failed = None, error


def _row(point: Point, seconds: float) -> list[object]:
    return [point.iteration, f"{seconds:.3f}", point.phase, point.net, point.name, repr(point.value)]


def read(path: Path) -> list[tuple[Point, float]]:
    """The points of a CSV file written by ``MetricsFile``, each with its seconds; none where there is no such file.

    A row that was cut when the program or the disk ended is left out, wherever it is, and no other.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    rows = csv.reader(io.StringIO(text[: text.rfind("\n") + 1].replace("\0", ""), newline=""))
    found = []
    with contextlib.suppress(csv.Error):
        found += [row for cells in rows if (row := _read(cells)) is not None]
    return found


def _read(cells: Sequence[str]) -> tuple[Point, float] | None:
    try:
        iteration, seconds, phase, net, name, value = cells
        return Point(int(iteration), phase, int(net), tabular.plain(name), float(value)), float(seconds)
    except ValueError:
        return None
