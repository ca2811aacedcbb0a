"""The principal axes of a table of features, from which scores and distances are computed. NumPy only, float64.

They are found from the D x D or N x N matrix of products, whichever is smaller, that is summed over chunks of rows: a
table of 50,000 x 2,000 in float32 needs no copy in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffelungo.evidence.checked_features import Floats, Labels, chunks

LEAST = 1e-12
"""Share of the largest value under which a direction holds rounding only."""


@dataclass(frozen=True)
class FeatureAxes:
    """The features X, N x D, in K directions that do not overlap: X'X = ``vectors`` diag(``values``) ``vectors``'.

    ``values`` (K) are in falling order, ``vectors`` is D x K, and K the rank of X. ``mean`` (D) was subtracted from the
    features (0 where they were not centred). ``fourth`` is the sum over rows of the fourth power of their lengths.
    """

    count: int
    mean: Floats
    values: Floats
    vectors: Floats
    fourth: float

    @property
    def width(self) -> int:
        """D."""
        return len(self.mean)


def axes_of(features: NDArray[np.floating], centred: bool) -> FeatureAxes:
    """The axes of a table N x D that has been checked, about its mean (``centred``) or about 0."""
    count, width = features.shape
    mean = np.zeros(width)
    if centred:
        for _, part in chunks(features):
            mean += part.sum(0) / count
    fourth = 0.0
    if count < width:
        rows = np.asarray(features, np.float64) - mean
        fourth = float((np.square(rows).sum(1) ** 2).sum())
        values, vectors = _kept(rows @ rows.T)
        return FeatureAxes(count, mean, values, rows.T @ vectors / np.sqrt(values), fourth)
    products = np.zeros((width, width))
    for _, part in chunks(features):
        rows = part - mean
        products += rows.T @ rows
        fourth += float((np.square(rows).sum(1) ** 2).sum())
    return FeatureAxes(count, mean, *_kept(products), fourth)


def class_sums(features: NDArray[np.floating], labels: Labels, mean: Floats) -> tuple[Floats, Labels]:
    """The sum of the rows less ``mean`` of each class 0 to C - 1, C x D, and the C numbers of rows."""
    sums = np.zeros((int(labels.max()) + 1, features.shape[1]))
    for rows, part in chunks(features):
        add_by_class(sums, labels[rows], part - mean)
    return sums, np.bincount(labels)


def add_by_class(sums: Floats, labels: Labels, rows: Floats) -> None:
    """Add to ``sums`` C x D the sum of the ``rows`` of each class, of ``labels`` 0 to C - 1."""
    order = np.argsort(labels, kind="stable")
    present, first = np.unique(labels[order], return_index=True)
    sums[present] += np.add.reduceat(rows[order], first, axis=0)


def ledoit_wolf(axes: FeatureAxes) -> float:
    """How far the covariance of centred features is best shrunk towards a multiple of the identity, 0 to 1.

    O. Ledoit and M. Wolf, A well-conditioned estimator for large-dimensional covariance matrices, Journal of
    Multivariate Analysis 88 (2004), with covariances divided by N.
    """
    count, width = axes.count, axes.width
    variances = axes.values / count
    square = float((variances**2).sum())
    mean = float(variances.sum()) / width
    apart = (square - width * mean**2) / width
    if apart <= 0:
        return 1.0
    return min((axes.fourth / count - square) / (count * width), apart) / apart


def _kept(products: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues in falling order and eigenvectors of a matrix of products, less what is rounding."""
    values, vectors = np.linalg.eigh(products)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > LEAST * max(float(values[0]), float(np.finfo(np.float64).tiny))
    return values[kept], np.ascontiguousarray(vectors[:, kept])
