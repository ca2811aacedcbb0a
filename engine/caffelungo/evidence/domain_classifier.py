"""How well a linear classifier tells two sets of pictures apart: another distance between source and target.

Its AUC on pictures held out is the probability that a picture of one set gets a higher score than one of the other: 0.5
of one distribution, 1 where no picture is mistaken. It says that sets differ and not by how much: JPEG quality is
enough. S. Ben-David et al., Analysis of representations for domain adaptation, NeurIPS 2006.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from caffelungo.evidence.checked_features import Floats, table
from caffelungo.evidence.held_out_probabilities import FOLDS, held_out_probabilities
from caffelungo.evidence.source_statistics import same_width
from caffelungo.report.classification_score import CONFIDENCE


@dataclass(frozen=True)
class DomainSeparation:
    """``auc`` between ``low`` and ``high`` (95 %), of ``count`` pictures of either set.

    ``error`` is the share that is mistaken, ``proxy`` is the proxy A-distance 2 (1 - 2 error), 0 to 2.
    """

    auc: float
    low: float
    high: float
    error: float
    count: int

    @property
    def proxy(self) -> float:
        return 2 * (1 - 2 * min(self.error, 0.5))


def domain_separation(source: ArrayLike, target: ArrayLike, *, folds: int = FOLDS, seed: int = 0) -> DomainSeparation:
    """Of features M x D and N x D; of the larger set as many rows are drawn as the smaller has.

    The folds' classifiers learn from the same rows, so their answers are not independent. Of K folds the variance is
    1 + K / (K - 1) times as large (C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning
    52, 2003): the interval is that of fewer pictures by this factor. UserError where a table is none, or widths differ.
    """
    ours, theirs = (table(one, f"{name} features", 2 * folds) for one, name in ((source, "source"), (target, "target")))
    same_width(ours.shape[1], theirs.shape[1])
    count = min(len(ours), len(theirs))
    rng = np.random.default_rng(seed)
    both = np.concatenate([one[np.sort(rng.permutation(len(one))[:count])] for one in (ours, theirs)])
    labels = np.repeat([0, 1], count)
    found = held_out_probabilities(both, labels, folds=folds, seed=seed)
    score = found.probabilities[:, 1]
    auc = area_under_curve(score[count:], score[:count])
    error = float(((score > 0.5) != labels).mean())
    independent = max(1, round(count / (1 + folds / (folds - 1))))
    return DomainSeparation(auc, *area_interval(auc, independent, independent), error, count)


def area_under_curve(positive: Floats, negative: Floats) -> float:
    """The share of pairs in which the positive one has the higher score; equal scores count half."""
    ordered = np.sort(negative)
    below, upto = (np.searchsorted(ordered, positive, side) for side in ("left", "right"))
    return float((below + upto).sum()) / 2 / len(positive) / len(negative)


def area_interval(auc: float, positive: int, negative: int) -> tuple[float, float]:
    """The 95 % interval of an AUC, also of 0 and 1; ``positive`` and ``negative`` are the numbers of scores.

    Method 5 of R. Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part
    2, Statistics in Medicine 25 (2006): the variance is that of Hanley and McNeil at each end of the interval.
    """

    def beyond(true: float) -> bool:
        even = (positive + negative) / 2 - 1
        spread = 1 + even * ((1 - true) / (2 - true) + true / (1 + true))
        return abs(auc - true) > CONFIDENCE * math.sqrt(true * (1 - true) * spread / (positive * negative))

    return _edge(beyond, auc, 0.0), _edge(beyond, auc, 1.0)


def _edge(beyond: Callable[[float], bool], inside: float, outside: float) -> float:
    """Between ``inside`` and ``outside``: the last place that is not ``beyond``."""
    if inside == outside:
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if beyond(middle) else (middle, outside)
    return inside
