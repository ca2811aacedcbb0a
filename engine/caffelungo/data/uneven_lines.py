"""Lines of a list that end with more or fewer numbers than the others: the numbers too many look like a path.

a.jpg 1 0 1, b.jpg 1 0 0 1   ->   "line 2 ends with 4 numbers, the others with 3"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from caffelungo.data import target_rows
from caffelungo.data.decode import SUFFIXES
from caffelungo.errors import Alike, Location, Problem
from caffelungo.wording import counted


def problems(file: Path, names: Sequence[str], lines: Sequence[int], size: int) -> list[Problem]:
    """A problem for each line of ``file`` whose count of numbers is not the most frequent one.

    ``names`` are what stands before the last ``size`` numbers of the lines. Names of files that exist count as such,
    whatever they end with.
    """
    if not any(_behind(name) for name in names):
        return []
    counts = [size + (_behind(name) if not _exists(file, name) else 0) for name in names]
    usual, often = Counter(counts).most_common(1)[0]
    if often == len(counts):
        return []
    return [
        Problem(
            f"the line ends with {counted(count, 'number')}, the others with {usual}",
            Location(str(file), line, 1, name), counted(count, "number"), "end all lines with as many numbers",
            alike=Alike(f"lines end with other counts of numbers than {usual}", str(count)),
        )
        for name, line, count in zip(names, lines, counts, strict=True) if count != usual
    ]  # fmt: skip


def _behind(name: str) -> int:
    """Numbers behind the path in ``name``."""
    if name.lower().strip("\"'").endswith(tuple(SUFFIXES)):
        return 0
    found = target_rows.after_picture(name)
    return len(found[1]) if found is not None and target_rows.numbers(found[1]) is not None else 0


def _exists(file: Path, name: str) -> bool:
    return Path(name).exists() or (file.parent / name).exists()
