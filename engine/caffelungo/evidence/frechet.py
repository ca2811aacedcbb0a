"""The Frechet distance between the features of two sets of pictures, and how large it is by chance. NumPy only.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2)

of normal distributions with means m and covariances S (D. Dowson and B. Landau, Journal of Multivariate Analysis 12,
1982; on features of a net it is the FID of M. Heusel et al., NeurIPS 2017). The last trace is the sum of the singular
values of S1^1/2 A, S2 = A A', so no root of a product that is not symmetric is taken.

Of two sets of N pictures from one distribution the distance is not 0: it falls about as 1 / N. Distances are therefore
of equally many pictures, and are given with those of equally many pictures from the source itself. Covariances are
not shrunk, unless the statistics that are given are: shrinking changed no distance by more than its sets differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import table
from caffelungo.evidence.source_statistics import SourceStatistics, same_width

COMPARED = 200
"""Pictures of a set: distances of equally many are comparable."""
DRAWS = 5
"""Sets that are drawn of each side."""


@dataclass(frozen=True)
class SourceDistance:
    """``distance`` of ``count`` target pictures; ``chance`` is the mean of equally many pictures of the source.

    ``highest`` is the largest of the latter. ``means`` is the part |m1 - m2|^2 of the distance. ``relative`` is the
    excess over chance as a share of the source's total variance. It has no unit, but still depends on ``count``: of 50
    pictures it is about three quarters of what it is of 500.
    """

    distance: float
    means: float
    chance: float
    highest: float
    count: int
    relative: float

    @property
    def apart(self) -> bool:
        """Whether the target is farther than every set of the source's own pictures."""
        return self.distance > self.highest


def frechet(first: SourceStatistics, second: SourceStatistics) -> float:
    """The Frechet distance; biased upward by about 1 / N, so compare distances of equal counts only."""
    return _means(first, second) + _covariances(first, second)


def distance_to_statistics(
    source: SourceStatistics, target: ArrayLike, *, count: int = COMPARED, draws: int = DRAWS, seed: int = 0
) -> SourceDistance:
    """Of target features N x D to the statistics of a source, whose own sets are drawn from a normal distribution.

    Both as the mean of ``draws`` sets of ``count`` pictures, or of N where there are fewer. UserError where the target
    is no table of finite numbers, or has another width.
    """
    features = table(target, "target features")
    same_width(source.width, features.shape[1])
    count = min(count, len(features))
    rng = np.random.default_rng(seed)
    sets = [SourceStatistics.of(features[_some(len(features), count, rng)]) for _ in range(draws)]
    own = [SourceStatistics.of(source.drawn(count, rng)) for _ in range(draws)]
    return _result([(source, one) for one in sets], [(source, one) for one in own], count, source.total)


def distance_to_pictures(
    source: ArrayLike, target: ArrayLike, *, count: int = COMPARED, draws: int = DRAWS, seed: int = 0
) -> SourceDistance:
    """Between features M x D of a source and N x D of a target, as the mean of ``draws`` sets of equal counts.

    That is the least of ``count``, N and M / 2, as the chance is measured between two sets of the source. UserError
    where a table is none, widths differ, or a side has too few pictures.
    """
    ours, theirs = table(source, "source features", 4), table(target, "target features")
    same_width(ours.shape[1], theirs.shape[1])
    count = min(count, len(ours) // 2, len(theirs))
    rng = np.random.default_rng(seed)
    across, within = [], []
    for _ in range(draws):
        order = rng.permutation(len(ours))
        one, two = (SourceStatistics.of(ours[part]) for part in (order[:count], order[count : 2 * count]))
        across.append((one, SourceStatistics.of(theirs[_some(len(theirs), count, rng)])))
        within.append((one, two))
    return _result(across, within, count, SourceStatistics.of(ours).total)


def _some(total: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The numbers of ``count`` rows, in order."""
    return np.sort(rng.permutation(total)[:count])


Pair = tuple[SourceStatistics, SourceStatistics]


def _result(across: Sequence[Pair], within: Sequence[Pair], count: int, total: float) -> SourceDistance:
    if not total > 0:
        raise UserError(
            "the source's features do not vary",
            received="equal features for all pictures",
            remedy="use features of another layer",
        )
    means = float(np.mean([_means(*pair) for pair in across]))
    distance = means + float(np.mean([_covariances(*pair) for pair in across]))
    by_chance = [frechet(*pair) for pair in within]
    chance = float(np.mean(by_chance))
    return SourceDistance(distance, means, chance, max(by_chance), count, (distance - chance) / total)


def _means(first: SourceStatistics, second: SourceStatistics) -> float:
    return float(np.square(first.mean - second.mean).sum())


def _covariances(first: SourceStatistics, second: SourceStatistics) -> float:
    same_width(first.width, second.width)
    if second.rest > 0 and first.rest == 0:
        first, second = second, first
    if second.rest > 0:
        factor = second.root(np.eye(second.width))
    else:
        factor = second.axes * np.sqrt(second.variances)
    if not factor.size:
        return first.total + second.total
    if first.rest > 0:
        product = first.root(factor)
    else:
        product = (first.axes * np.sqrt(first.variances)).T @ factor
    common = float(np.linalg.svd(product, compute_uv=False).sum()) if product.size else 0.0
    return max(0.0, first.total + second.total - 2 * common)
