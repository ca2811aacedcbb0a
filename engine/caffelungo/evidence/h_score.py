"""H-score: how much of the variation of the features lies between classes. NumPy only, float64.

    H = tr(cov(F)^-1 cov(E[F | y]))

of Y. Bao et al., An information-theoretic approach to transferability in task transfer learning, ICIP 2019. Of noise
alone that is (C - 1) D / (N - 1), and where N <= D + 1 it is C - 1 whatever the labels. Here the covariance is shrunk
towards a multiple of the identity by the share a of Ledoit and Wolf, as in S. Ibrahim, N. Ponomareva and R. Mazumder,
Newer is not always better, ECML-PKDD 2022:

    H_a = tr(((1 - a) cov(F) + a tr(cov(F)) / D I)^-1 (1 - a) cov(E[F | y]))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from caffelungo.evidence.checked_features import table_and_labels
from caffelungo.evidence.feature_axes import axes_of, class_sums, ledoit_wolf


@dataclass(frozen=True)
class HScore:
    """``score`` is regularised by ``shrinkage`` (a); ``plain`` is not, and None where N <= D + 1, as it is a constant.

    Both are between 0 and ``most``, C - 1.
    """

    score: float
    plain: float | None
    shrinkage: float
    most: int


def h_score(features: ArrayLike, labels: ArrayLike) -> HScore:
    """Of features N x D and N labels; C is the number of classes that have a picture.

    cov(F) is divided by N in the regularised score, as Ledoit and Wolf do; all others by N - 1. UserError as
    ``table_and_labels``.
    """
    table, places, classes = table_and_labels(features, labels)
    axes = axes_of(table, centred=True)
    sums, counts = class_sums(table, places, axes.mean)
    between = (np.square(axes.vectors.T @ sums.T) / counts).sum(1)
    count, width = table.shape
    shrinkage = ledoit_wolf(axes)
    even = float(axes.values.sum()) / count / width
    shrunk = (1 - shrinkage) * axes.values / count + shrinkage * even
    score = (1 - shrinkage) * float((between / shrunk).sum()) / (count - 1)
    plain = float((between / axes.values).sum()) if count > width + 1 else None
    return HScore(score, plain, shrinkage, len(classes) - 1)
