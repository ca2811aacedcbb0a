"""How well a net classifies a whole test set: accuracy with its interval, each class, the confusion matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOP = 5
CONFIDENCE = 1.959963984540054
"""Standard deviations of a 95 % interval."""
SHARES = ("acc", "top", "recall", "precision", "balanced_accuracy", "macro_f1", "micro_f1", "map")
"""How names of blobs begin that are shares of the samples."""


def is_share(name: str, *values: float) -> bool:
    """Whether the blob ``name`` with these values is a share, which people read as a percentage."""
    return name.lower().startswith(SHARES) and all(0 <= value <= 1 for value in values)


def score(name: str, value: float) -> str:
    """The value of an output of a test for people: a percentage with one decimal, or six significant digits."""
    return f"{value:.1%}" if is_share(name, value) else f"{value:.6g}"


@dataclass(frozen=True)
class Classified:
    """Counts over a test set. ``confusion[true, predicted]``; ``names`` are the classes' (numbers where unknown).

    ``answers``: (true, predicted) of each sample, N x 2, in the order of the data; None where a sample has several
    labels, or some are ignored.
    """

    confusion: NDArray[np.int64]
    in_top: int
    names: list[str]
    answers: NDArray[np.int64] | None = None

    @property
    def samples(self) -> int:
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        return self.right / self.samples if self.samples else 0.0

    @property
    def top(self) -> float:
        """Share of samples whose class is among the five highest scores."""
        return self.in_top / self.samples if self.samples else 0.0

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have samples; 0 without any."""
        return _mean_recall(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def macro_f1(self) -> float:
        """The mean of F1 = 2 right / (samples + predicted) over the classes that have samples; 0 without any."""
        rows, columns = self.confusion.sum(1), self.confusion.sum(0)
        each = 2 * np.diag(self.confusion) / np.maximum(rows + columns, 1)
        return float(np.mean(each[rows > 0])) if rows.any() else 0.0

    @property
    def absent(self) -> list[str]:
        """The classes without samples, which no mean over classes contains."""
        return [name for name, n in zip(self.names, self.confusion.sum(1), strict=True) if not n]

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.samples)

    def per_class(self) -> list[tuple[str, int, int, float, float]]:
        """(name, samples, right, recall, precision) of each class; NaN where there is nothing to divide by."""
        rows = self.confusion.sum(1)
        columns = self.confusion.sum(0)
        right = np.diag(self.confusion)
        return [
            (name, int(n), int(k), _ratio(int(k), int(n)), _ratio(int(k), int(m)))
            for name, n, k, m in zip(self.names, rows, right, columns, strict=True)
        ]


def balanced_accuracy(right: ArrayLike, labels: ArrayLike) -> float:
    """The mean recall of the classes that ``labels`` (N) has; ``right`` (N): which are predicted. 0 for N = 0."""
    given = np.asarray(labels, np.int64)
    rows = np.bincount(given)
    return _mean_recall(np.bincount(given[np.asarray(right, bool)], minlength=len(rows)), rows)


def _mean_recall(right: NDArray[np.int64], rows: NDArray[np.int64]) -> float:
    """Of ``right`` among ``rows`` samples of each class, the classes without samples left out."""
    return float(np.mean(right[rows > 0] / rows[rows > 0])) if rows.any() else 0.0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def wilson(right: float, total: float, z: float = CONFIDENCE) -> tuple[float, float]:
    """The 95 % interval of a share of ``right`` in ``total`` (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    share, square = right / total, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z * math.sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    low = 0.0 if right == 0 else max(0.0, centre - half)
    return low, 1.0 if right == total else min(1.0, centre + half)
