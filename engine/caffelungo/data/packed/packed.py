"""What every kind of file with many pictures is read to, and the checks that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo.errors import Location, UserError
from caffelungo.plan import memory_limits

Stored = NDArray[np.uint8] | bytes
"""A picture: H x W, or H x W x 3 with red first; or the bytes of a picture file."""
MOST_CLASSES = 100_000
"""A label above it is no class."""
EXPANSION = 1040
"""Deflated data (gzip, .npz) do not unpack to more than this multiple of their size."""


@dataclass(frozen=True)
class PackedPart:
    """The pictures of one part: ``name`` is train, val or test. ``picture`` reads number ``index``.

    ``labels`` are N classes from 0; ``file`` and ``record`` (the name of a record in messages) say where they are.
    """

    name: str
    labels: NDArray[np.int64]
    picture: Callable[[int], Stored]
    file: Path
    record: str = "record"

    def where(self, index: int) -> Location:
        return Location(f"{self.file}, {self.record} {index}")


@dataclass(frozen=True)
class Packed:
    """The parts of a data set, the names of its classes (none: their numbers are their names), and the ``files``."""

    kind: str
    parts: tuple[PackedPart, ...]
    files: tuple[Path, ...]
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def check_room(size: int, path: Path) -> None:
    """UserError when ``size`` bytes of the file ``path`` do not fit into memory: nothing of them is read then."""
    free = memory_limits.available()
    if free is not None and size > free:
        raise UserError(
            "the pictures do not fit into memory", where=Location(str(path)),
            received=f"{size / 1e9:.3g} GB when unpacked, and {free / 1e9:.3g} GB are free",
            remedy="write them as picture files, one folder per class",
        )  # fmt: skip


def damaged(path: Path, received: str, what: str = "the file is damaged or truncated") -> UserError:
    """The error for a file that is not what it says."""
    return UserError(what, where=Location(str(path)), received=received, remedy="copy or download it again completely")


def check_labels(part: PackedPart, classes: int | None = None) -> None:
    """UserError with the first label that is no class; ``classes``: how many there are, None where that is open."""
    most = MOST_CLASSES if classes is None else classes
    wrong = np.flatnonzero((part.labels < 0) | (part.labels >= most))
    if len(wrong):
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(
            "a label is no class", where=part.where(int(wrong[0])), received=f"label {part.labels[wrong[0]]}{more}",
            remedy=f"labels go from 0 to {most - 1}; a damaged file must be copied again",
        )  # fmt: skip
