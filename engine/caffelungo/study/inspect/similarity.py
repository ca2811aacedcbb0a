"""How alike two representations of the same pictures are, and how well one tells the classes apart. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def linear_cka(one: Floats, other: Floats) -> tuple[float, float]:
    """Linear CKA of two sets of features, samples x features each: (without bias, as first published).

    The first uses the unbiased estimate of HSIC (Song et al. 2012), which independent features take to 0 whatever
    their number; the second (Kornblith et al. 2019) is near 1 for any features where there are fewer samples than
    these. NaN where a side is constant or there are fewer than 4 samples. Computed in float64.
    """
    if len(one) < 4:
        return float("nan"), float("nan")
    first, second = (_gram(np.asarray(each, np.float64)) for each in (one, other))
    return _normed(first, second, _unbiased), _normed(first, second, _biased)


def _gram(features: Floats) -> Floats:
    flat = features.reshape(len(features), -1)
    flat = flat - flat.mean(0)
    return np.asarray(flat @ flat.T)


def _normed(first: Floats, second: Floats, hsic: object) -> float:
    assert callable(hsic)
    own = hsic(first, first) * hsic(second, second)
    return float(hsic(first, second) / np.sqrt(own)) if own > 0 else float("nan")


def _biased(first: Floats, second: Floats) -> float:
    return float((first * second).sum())


def _unbiased(first: Floats, second: Floats) -> float:
    n = len(first)
    a, b = (gram - np.diag(np.diag(gram)) for gram in (first, second))
    rows = a.sum(0) @ b.sum(0)
    return float(((a * b).sum() + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)) / (n * (n - 3)))


def neighbours_agree(features: Floats, labels: NDArray[np.int64]) -> float:
    """The share of pictures whose nearest other picture (by the angle of the features) is of the same class."""
    if len(features) < 2:
        return float("nan")
    flat = np.asarray(features, np.float64).reshape(len(features), -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    near = flat @ flat.T
    np.fill_diagonal(near, -np.inf)
    return float((labels[near.argmax(1)] == labels).mean())


def correlation(one: Floats, other: Floats) -> Floats:
    """Pearson's correlation of each column of two samples x units arrays; NaN where a column is constant."""
    a, b = (np.asarray(each, np.float64) - np.mean(each, 0, dtype=np.float64) for each in (one, other))
    size = np.sqrt((a * a).sum(0) * (b * b).sum(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(size > 0, (a * b).sum(0) / size, np.nan))
