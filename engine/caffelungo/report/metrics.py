"""The numbers of a run as a CSV file: one row for each displayed iteration and for each test."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
class Metrics:
    """Points in memory, for the curves, and in a file (long format: one value a row)."""

    path: Path | None = None
    points: list[Point] = field(default_factory=list)

    def open(self, path: Path, earlier: Path | None = None, before: int = 0) -> None:
        """Write to ``path`` from now on; a resumed run takes over the rows of ``earlier`` that lie ``before``."""
        self.path = path
        kept = []
        if earlier is not None and earlier.exists():
            kept = [row for row in read(earlier) if row[0].iteration < before]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_row(point, seconds) for point, seconds in kept)
        self.points = [point for point, _ in kept] + self.points

    def add(self, iteration: int, seconds: float, phase: str, values: Mapping[str, float], net: int = 0) -> None:
        """Record ``values`` by name; ``seconds`` since the run began. A file that fails (a full disk) is given up."""
        points = [Point(iteration, phase, net, name, float(value)) for name, value in values.items()]
        self.points += points
        if self.path:
            try:
                with self.path.open("a", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerows(_row(point, seconds) for point in points)
            except OSError:
                self.path = None


def _row(point: Point, seconds: float) -> list[object]:
    return [point.iteration, f"{seconds:.3f}", point.phase, point.net, point.name, repr(point.value)]


def read(path: Path) -> list[tuple[Point, float]]:
    """The points of a CSV file written by ``Metrics``, each with its seconds."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            (
                Point(int(row["iteration"]), row["phase"], int(row["net"]), row["name"], float(row["value"])),
                float(row["seconds"]),
            )
            for row in csv.DictReader(file)
        ]
