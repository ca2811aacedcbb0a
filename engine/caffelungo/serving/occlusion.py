"""Occlusion maps (Zeiler and Fergus 2014, section 4.2): cover a part of the picture, and see how the answer changes.

For any net: nothing of it is looked at but its answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
PATCH, STEPS = 0.2, 9
"""Side of the square as a part of the picture's shorter side, and places of it along each side."""
_SURE = 1e-6


@dataclass(frozen=True)
class Occlusion:
    """Where the squares of ``side`` pixels are in a picture, and their colour."""

    height: int
    width: int
    side: int
    colour: NDArray[np.uint8]

    def corners(self) -> list[tuple[int, int]]:
        """(top, left) of each square, row by row; the last ones touch the edge."""
        rows, columns = (np.unique(np.linspace(0, size - self.side, STEPS).round().astype(int))
                         for size in (self.height, self.width))  # fmt: skip
        return [(int(top), int(left)) for top in rows for left in columns]

    def covered(self, image: Pixels) -> Iterator[Pixels]:
        """``image`` once for each square, covered there."""
        for top, left in self.corners():
            changed = image.copy()
            changed[top : top + self.side, left : left + self.side] = self.colour
            yield changed

    def map(self, before: float, after: Floats) -> Floats:
        """How far covering each place lowers the log-odds, on average over the squares on it: STEPS x STEPS at most.

        Log-odds, since a probability near 1 hardly moves while the evidence for it does.
        """
        lowered = _log_odds(np.float32(before)) - _log_odds(after)
        total = np.zeros((self.height, self.width), np.float32)
        times = np.zeros_like(total)
        for (top, left), value in zip(self.corners(), lowered, strict=True):
            total[top : top + self.side, left : left + self.side] += value
            times[top : top + self.side, left : left + self.side] += 1
        rows, columns = (np.linspace(0, size - 1, 2 * STEPS + 1).round().astype(int)
                         for size in (self.height, self.width))  # fmt: skip
        return (total / np.maximum(times, 1))[np.ix_(rows, columns)]


def occlusion_of(image: Pixels) -> Occlusion:
    """Squares for ``image`` (height x width x channels), in its own mean colour: what the net has no opinion of."""
    height, width = image.shape[:2]
    side = max(1, round(PATCH * min(height, width)))
    return Occlusion(height, width, side, image.mean((0, 1)).round().astype(np.uint8))


def _log_odds(probability: Floats | np.float32) -> Floats:
    sure = np.clip(np.asarray(probability, np.float64), _SURE, 1 - _SURE)
    return np.asarray(np.log(sure / (1 - sure)), np.float32)
