"""Random numbers as a pure function of a sample's position.

A draw depends on (seed, stream, epoch, sample index) only: never on a worker, on what was drawn before or on NumPy's
version, so that a resumed run draws what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ORDER, SKIP, CROP_ROW, CROP_COLUMN, MIRROR, FILL, AUGMENT = range(7)
"""Streams: numbers for different purposes are drawn from different streams. Augmentation i draws from AUGMENT + i."""
CLASS, MEMBER = -1, -2
"""Streams of ``class_balanced_order``."""
MIX = -3
"""Stream of how the pictures of a batch are mixed."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Steele, Lea and Flood's splitmix64 (2014): one bijective scramble of 64 bits."""
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _words(values: ArrayLike) -> NDArray[np.uint64]:
    return np.atleast_1d(np.asarray(values, dtype=np.int64)).astype(np.uint64)


def bits(seed: int, stream: int, epoch: ArrayLike, index: ArrayLike) -> NDArray[np.uint64]:
    """64 random bits for each pair of ``epoch`` and ``index`` (broadcast), as an array with one axis or more."""
    state = _mix(_mix(_words(seed)) ^ _words(stream))
    return _mix(_mix(state ^ _words(epoch)) ^ _words(index))


def below(limit: ArrayLike, random: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Integers from 0 to ``limit`` - 1, evenly, from 64 random bits each."""
    share = (random >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.asarray(np.floor(share * np.asarray(limit)), dtype=np.int64)


def permutation(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """The order in which pass number ``epoch`` visits ``size`` samples."""
    return np.argsort(bits(seed, ORDER, epoch, np.arange(size)), kind="stable").astype(np.int64)


def generator(seed: int, stream: int, epoch: int, index: int) -> np.random.Generator:
    """A NumPy generator of one sample's own, for transforms that need more than one number."""
    return np.random.Generator(np.random.Philox(key=int(bits(seed, stream, epoch, index)[0])))
