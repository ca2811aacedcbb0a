"""What more pictures would bring: a learning curve extended by a power law, with intervals. NumPy only.

Three things make it uncertain, and all are in the intervals (95 %):

    the pictures that judged            weighted at random, each with all that was found of it (a Bayesian bootstrap)
    those that were learned from        the folds of all repeats, drawn again with replacement
    the law                             beyond the largest size the log-odds of errors are off by ``FORM`` per doubling
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import CHUNK, Floats
from caffelungo.evidence.learning_curve import LearningCurve
from caffelungo.evidence.power_law import PowerLaws, fit_power_laws

FORM = 0.14
"""Deviation of the log-odds of an error per doubling: the least with which 95 % of intervals held the gain of twice the
pictures on the worse of two sets (probes of SqueezeNet, 20 pictures per class). Chosen there, checked on others."""
FARTHEST = 4.0
"""Times the pictures that there are: nothing is said of more."""
DRAWS = 1000


@dataclass(frozen=True)
class PredictedAccuracy:
    """An accuracy, or a difference of two, between ``low`` and ``high`` (95 %)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Extrapolation:
    """The law of a curve of ``most`` pictures per class, and of ``DRAWS`` curves that might have been found instead.

    ``largest`` is the largest size that was learned from, ``shocks`` (DRAWS) by how many ``FORM`` each errs.
    """

    law: PowerLaws
    draws: PowerLaws
    largest: float
    most: float
    shocks: Floats

    def accuracy(self, size: float) -> PredictedAccuracy:
        """Of ``size`` pictures per class; UserError where that is not above 0, or beyond ``FARTHEST``."""
        drawn = 1 - self._errors(size)
        return PredictedAccuracy(1 - float(self.law.errors(size)[0, 0]), *_interval(drawn))

    def gain(self, size: float) -> PredictedAccuracy:
        """By how much the accuracy of ``size`` pictures per class exceeds that of those that there are."""
        drawn = self._errors(self.most) - self._errors(size)
        now, then = self.law.errors([self.most, size])[0]
        return PredictedAccuracy(float(now - then), *_interval(drawn))

    def _errors(self, size: float) -> Floats:
        """DRAWS of them."""
        if not 0 < size <= FARTHEST * self.most * (1 + 1e-9):
            raise UserError(
                f"a learning curve is extended to {FARTHEST:g} times the pictures at most",
                received=f"{size:g} pictures per class, and {self.most:g} there are",
                remedy=f"ask for {FARTHEST * self.most:g} or fewer",
            )
        doublings = max(0.0, float(np.log2(size / self.largest)))
        odds = np.exp(FORM * doublings * self.shocks)
        errors = self.draws.errors(size)[:, 0]
        return np.asarray(errors * odds / (1 - errors + errors * odds), np.float64)


def extrapolated(curve: LearningCurve, *, draws: int = DRAWS, seed: int = 0) -> Extrapolation:
    """The laws of ``curve``; each size is weighted by the inverse of its error's variance."""
    wrong = 1.0 - curve.right
    repeats, _, count = wrong.shape
    errors = wrong.mean((0, 2))
    weights = 1 / np.maximum(errors * (1 - errors), 1 / count)
    rng = np.random.default_rng(seed)
    drawn = _judged_anew(wrong.mean(0), draws, rng)
    folds = np.array(
        [
            wrong[repeat][:, curve.folds[repeat] == fold].mean(1)
            for repeat in range(repeats)
            for fold in np.unique(curve.folds[repeat])
        ]
    )
    learned = rng.multinomial(len(folds), np.full(len(folds), 1 / len(folds)), draws) / len(folds)
    drawn = np.clip(drawn + learned @ (folds - folds.mean(0)), 1e-9, 1.0)
    return Extrapolation(
        fit_power_laws(curve.sizes, errors, weights),
        fit_power_laws(curve.sizes, drawn, weights),
        float(curve.sizes[-1]),
        curve.most,
        rng.normal(size=draws),
    )


def _judged_anew(wrong: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Errors, draws x S, of pictures (S x N) of random weights.

    Two of half a weight are added, one wrong and one right at all sizes: with them the interval of a single size is
    that of Jeffreys, and no errors in 60 pictures are not taken for certain (D. Rubin, The Bayesian bootstrap, Annals
    of Statistics 9, 1981; L. Brown, T. Cai and A. DasGupta, Statistical Science 16, 2001).
    """
    sizes, count = wrong.shape
    found = np.empty((draws, sizes))
    step = max(1, CHUNK // count)
    for start in range(0, draws, step):
        block = slice(start, min(start + step, draws))
        weights = rng.standard_exponential((block.stop - block.start, count))
        added = rng.standard_gamma(0.5, (block.stop - block.start, 2))
        total = weights.sum(1) + added.sum(1)
        found[block] = (weights @ wrong.T + added[:, :1]) / total[:, None]
    return found


def _interval(drawn: Floats) -> tuple[float, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
