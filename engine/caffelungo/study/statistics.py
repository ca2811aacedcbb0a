"""How sure an accuracy or a difference of two is: bootstrap intervals over pictures and seeds. numpy only.

The measured numbers depend on which pictures were tested and which seeds were drawn, so both are drawn again, crossed:
one draw takes as many seeds and as many pictures as there are, with replacement, and the mean over all their pairs
(the "pigeonhole" bootstrap: A. B. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007). In a
difference both arms get the same draws: same pictures, same seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.errors import UserError

COVERED = 95.0
"""Percent of the draws within an interval."""
REMEMBERED = 512
"""Intervals kept, for a report that asks for the same ones again."""
CHUNK = 2**22
"""Drawn picture numbers held at a time: 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it, in points (percent)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True)
class Difference(Interval):
    """A mean difference and the interval around it, in points."""

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0: not decided."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    def __str__(self) -> str:
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def paired_bootstrap(a: ArrayLike, b: ArrayLike, draws: int = 10_000, seed: int = 0) -> Difference:
    """Of how many points ``a`` is better than ``b``: both seeds x pictures, 1 where right and 0 where wrong.

    Row s of both has the same seed, column i the same picture. UserError where the shapes differ or hold nothing.
    """
    first, second = _table(a, "a"), _table(b, "b")
    if first.shape != second.shape:
        raise UserError(
            "arms are compared on the same seeds and pictures",
            received=f"{_words(first.shape)} against {_words(second.shape)}",
            remedy="give both arms the seeds and pictures that both have",
        )
    return Difference(*_once(first - second, draws, seed))


def interval(a: ArrayLike, draws: int = 10_000, seed: int = 0) -> Interval:
    """The accuracy of one arm: seeds x pictures, 1 where right and 0 where wrong. UserError where it holds nothing."""
    return Interval(*_once(_table(a, "a"), draws, seed))


def _table(values: ArrayLike, name: str) -> NDArray[np.float32]:
    try:
        table = np.asarray(values, np.float32)
    except ValueError:  # rows of unequal length
        table = np.empty(0, np.float32)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise UserError(
            f"an interval is over a table of seeds x pictures, each 0 or 1; {name} is none",
            received=f"{_words(table.shape)}" if table.ndim == 2 else f"{table.ndim} dimensions",
            remedy="give one row a seed, all of the same pictures",
        )
    return table


def _words(shape: Sequence[int]) -> str:
    return f"{shape[0]} seeds x {shape[1]} pictures"


def _once(table: NDArray[np.float32], draws: int, seed: int) -> tuple[float, float, float]:
    return _bootstrap(table.tobytes(), table.shape[0], draws, seed)


@lru_cache(maxsize=REMEMBERED)
def _bootstrap(values: bytes, seeds: int, draws: int, seed: int) -> tuple[float, float, float]:
    """Mean, low and high of the table ``values`` (``seeds`` rows of float32), times 100."""
    table = np.frombuffer(values, np.float32).reshape(seeds, -1)
    pictures = table.shape[1]
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    step = max(1, CHUNK // pictures)
    for start in range(0, draws, step):
        count = min(step, draws - start)
        often = _drawn(rng, count, pictures) @ table.T
        means[start : start + count] = (often * _drawn(rng, count, seeds)).sum(1, dtype=np.float64) / table.size
    margin = (100 - COVERED) / 2
    low, high = np.percentile(means, [margin, 100 - margin])
    return 100 * float(table.mean(dtype=np.float64)), 100 * float(low), 100 * float(high)


def _drawn(rng: np.random.Generator, count: int, of: int) -> NDArray[np.float32]:
    """How often each of ``of`` things is drawn, ``count`` times ``of`` draws with replacement: count x of."""
    places = rng.integers(of, size=(count, of)) + of * np.arange(count)[:, None]
    return np.bincount(places.ravel(), minlength=count * of).reshape(count, of).astype(np.float32)
