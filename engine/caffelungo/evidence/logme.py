"""LogME: how probable the labels are, given the features, under Bayesian linear regression. NumPy only, float64.

For each class the targets y are 1 in its pictures and 0 in others, y = F w + noise, w ~ N(0, 1/alpha), noise ~ N(0,
1/beta), without a bias. The score is the logarithm of the evidence p(y | F) at the best alpha and beta, divided by N,
averaged over classes. K. You, Y. Liu, J. Wang and M. Long, LogME: Practical Assessment of Pre-trained Models for
Transfer Learning, ICML 2021.

With t = alpha / beta, F'F = V diag(g) V' of rank K, s the part of y along each left singular vector and r0 what is left
of |y|^2, the best beta is N / S(t), S(t) = r0 + sum_i t s_i^2 / (t + g_i), and

    ln p = (N ln(beta) - beta S(t) - sum_i ln(1 + g_i / t) - N ln(2 pi)) / 2

which is maximised over the one number t. The sum goes over the K directions that the features have: a feature that is
always 0 changes nothing. (The code that is often copied counts D directions in one term and K in another. Where N < D
its score grows with D.)

Only scores of the same pictures are comparable, and best those of nets of similar size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.evidence.checked_features import Floats, table_and_labels
from caffelungo.evidence.feature_axes import axes_of, class_sums

NOISE = 1e-4
"""The least variance of the noise: 1 % of the difference between two labels. Without it the evidence of targets that
are a linear function of fewer features than rows has no limit, which equal pictures alone can cause where N < D."""
STEP = 0.25
"""Between the values of ln t that are tried first."""
BEYOND = 20.0
"""How far below and above ln g these go: there t is as good as 0 or infinite."""
NARROWED = 40
"""Steps of the golden section, each of which leaves 0.618 of an interval of ``2 * STEP``."""


@dataclass(frozen=True)
class LogmeScore:
    """``score`` is the mean of ``evidence`` (C, per picture). ``alpha`` and ``noise`` (1 / beta) are C each.

    ``limited`` (C) says where the noise is the least that is allowed: the score then depends on ``NOISE``.
    """

    score: float
    evidence: Floats
    alpha: Floats
    noise: Floats
    limited: NDArray[np.bool_]


def logme(features: ArrayLike, labels: ArrayLike) -> LogmeScore:
    """Of features N x D and N labels; C is the number of classes that have a picture.

    UserError as ``table_and_labels``.
    """
    table, places, _ = table_and_labels(features, labels)
    axes = axes_of(table, centred=False)
    sums, counts = class_sums(table, places, axes.mean)
    squares = np.square(axes.vectors.T @ sums.T) / axes.values[:, None]
    left = counts - squares.sum(0)
    left[left < 1e-10 * counts] = 0.0  # rounding
    return best_evidence(axes.values, squares, left, len(table))


def best_evidence(values: Floats, squares: Floats, left: Floats, count: int) -> LogmeScore:
    """The score of ``values`` g (K), ``squares`` s^2 (K x C) and ``left`` r0 (C) of ``count`` rows."""
    log_values = np.log(values)
    tried = np.arange(log_values.min() - BEYOND, log_values.max() + BEYOND, STEP)
    first = np.empty((len(tried), len(left)))
    for number, log_t in enumerate(tried):
        t = np.exp(log_t)
        first[number] = _evidence(left + (t / (t + values)) @ squares, np.log1p(values / t).sum(), count)[0]
    best = tried[first.argmax(0)]

    def at(log_t: Floats) -> tuple[Floats, Floats]:
        t = np.exp(log_t)
        shares = t / (t + values[:, None])
        return _evidence(left + (shares * squares).sum(0), -np.log(shares).sum(0), count)

    log_t = _golden(lambda log_t: at(log_t)[0], best - STEP, best + STEP)
    evidence, beta = at(log_t)
    limited = beta > (1 - 1e-9) / NOISE
    return LogmeScore(
        float(evidence.mean()) / count, evidence / count, np.exp(log_t) * beta, 1 / beta, np.asarray(limited, np.bool_)
    )


def _evidence(sums: Floats, log_determinant: Floats, count: int) -> tuple[Floats, Floats]:
    """ln p and the best beta of C classes, of S(t) and of sum ln(1 + g / t)."""
    beta = np.minimum(count / np.maximum(sums, count * NOISE), 1 / NOISE)
    return (count * np.log(beta / (2 * np.pi)) - beta * sums - log_determinant) / 2, beta


def _golden(function: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Where ``function`` (C to C) is largest between ``low`` and ``high``, each C, if it has one maximum there."""
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(NARROWED):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        up = function(left) < function(right)
        low, high = np.where(up, left, low), np.where(up, high, right)
    return np.asarray((low + high) / 2, np.float64)
