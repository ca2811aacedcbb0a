"""How sure an accuracy or a difference of two is, over pictures and seeds, and many at once. numpy only.

A table has a row per seed and a column per picture; each seed may have tested other pictures, and NaN is where it
did not. What was measured would be another number with other pictures and with other seeds:

    pictures    are drawn again with replacement, each with all the seeds that tested it (a bootstrap)
    seeds       are few, so that drawing them again would say too little: t-distributed, with one degree less than seeds

The two variances add up, less what they have in common (two-way clusters: A. C. Cameron, J. B. Gelbach, D. L. Miller,
Robust inference with multiway clustering, J. Business & Economic Statistics 29(2), 2011, formula 2.11; compare A. B.
Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007). The whole is never less sure of seeds than
pictures alone make it. In a difference both arms have the same seeds and pictures.
"""

from __future__ import annotations

import math
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
MANY = 2000
"""So many pictures add up to a normal distribution, and need not be drawn one by one."""


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it, in points (percent)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True)
class MeanDifference(Interval):
    """A mean difference and the interval around it, in points.

    ``p`` is twice the share of the draws on the other side of zero: how often so much would come of nothing. It says
    nothing (1.0) where it was not computed.
    """

    p: float = 1.0

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0: not decided."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    def __str__(self) -> str:
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def paired_bootstrap(a: ArrayLike, b: ArrayLike, draws: int = 10_000, seed: int = 0) -> MeanDifference:
    """Of how many points ``a`` is better than ``b``: both seeds x pictures, 1 where right, 0 where wrong, NaN untested.

    Row s of both has the same seed, column i the same picture. UserError where the shapes or what was tested differ, or
    where they hold nothing.
    """
    first, second = _table(a, "a"), _table(b, "b")
    if first.shape != second.shape or not np.array_equal(np.isnan(first), np.isnan(second)):
        raise UserError(
            "arms are compared on the same seeds and pictures",
            received=f"{_words(first)} against {_words(second)}",
            remedy="give both arms the seeds and pictures that both have",
        )
    return MeanDifference(*_once(first - second, draws, seed, -1.0))


def interval(a: ArrayLike, draws: int = 10_000, seed: int = 0) -> Interval:
    """The accuracy of one arm: seeds x pictures, 1 where right, 0 where wrong, NaN untested. UserError without any."""
    return Interval(*_once(_table(a, "a"), draws, seed, 0.0)[:3])


def holm(ps: Sequence[float]) -> list[float]:
    """``ps`` corrected for their number: where one is below 0.05, less than 5 % that any of them came of nothing.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian J. of Statistics 6(2), 1979. The
    smallest of n is multiplied by n, the next by n - 1 ..., none is less than one before it, and none more than 1.
    """
    found = [1.0] * len(ps)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda at: ps[at])):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        found[index] = least
    return found


def _table(values: ArrayLike, name: str) -> NDArray[np.float32]:
    try:
        table = np.asarray(values, np.float32)
    except ValueError:  # rows of unequal length
        table = np.empty(0, np.float32)
    if table.ndim != 2 or not table.size or np.isinf(table).any() or np.isnan(table).all(axis=1).any():
        raise UserError(
            f"an interval is over a table of seeds x pictures, each 0 or 1; {name} is none",
            received=_words(table) if table.ndim == 2 else f"{table.ndim} dimensions",
            remedy="give one row per seed, NaN for the pictures that it did not test, and one at least that it did",
        )
    return table


def _words(table: NDArray[np.float32]) -> str:
    return f"{table.shape[0]} seeds x {table.shape[1]} pictures, {int((~np.isnan(table)).sum())} tests"


def _once(table: NDArray[np.float32], draws: int, seed: int, least: float) -> tuple[float, float, float, float]:
    return _bootstrap(table.tobytes(), table.shape[0], draws, seed, least)


@lru_cache(maxsize=REMEMBERED)
def _bootstrap(values: bytes, seeds: int, draws: int, seed: int, least: float) -> tuple[float, float, float, float]:
    """Mean, low and high of the table ``values`` (``seeds`` rows of float32), times 100, and p.

    ``least`` is the smallest mean there can be; the largest is 1.
    """
    table = np.frombuffer(values, np.float32).reshape(seeds, -1).astype(np.float64)
    means = np.nanmean(table, axis=1)
    mean = float(means.mean())
    parts = (table - means[:, None]) / ((~np.isnan(table)).sum(1, keepdims=True) * seeds)
    pictures = np.nansum(parts, axis=0)
    rng = np.random.default_rng(seed)
    drawn = _sums(rng, draws, pictures)
    if seeds > 1:
        of_seeds = float(((means - mean) ** 2).sum()) / (seeds * (seeds - 1))
        drawn = drawn * _share(of_seeds, float((pictures**2).sum()), float(np.nansum(parts**2)))
        drawn = drawn + math.sqrt(of_seeds) * rng.standard_t(seeds - 1, draws)
    found = np.clip(mean + drawn, least, 1.0)
    found[np.abs(found) < 1e-9] = 0.0  # zero but for rounding, which would decide the sign of an interval's end
    margin = (100 - COVERED) / 2
    low, high = np.percentile(found, [margin, 100 - margin])
    # No more is said than so many draws can tell.
    tail = min(int((found <= 0).sum()), int((found >= 0).sum()))
    return 100 * mean, 100 * float(low), 100 * float(high), min(1.0, 2 * (tail + 1) / (draws + 1))


def _share(of_seeds: float, of_pictures: float, of_both: float) -> float:
    """By what the draws of pictures are multiplied, so that variances are counted once."""
    if of_pictures == 0:
        return 0.0
    return math.sqrt(max(0.0, 1 - of_both / of_pictures, 1 - of_seeds / of_pictures))


def _sums(rng: np.random.Generator, draws: int, parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of ``draws`` draws of as many of ``parts`` as there are, with replacement, less their sum."""
    count = len(parts)
    if count > MANY:
        return rng.standard_normal(draws) * math.sqrt(max(0.0, float((parts**2).sum() - parts.sum() ** 2 / count)))
    found = np.empty(draws)
    step = max(1, CHUNK // count)
    for start in range(0, draws, step):
        chosen = rng.integers(count, size=(min(step, draws - start), count))
        found[start : start + step] = parts[chosen].sum(axis=1)
    return found - parts.sum()
