"""The accuracy to expect on other pictures, from answers to pictures that had no part in a choice. NumPy only.

accuracy     of the pictures judged (nested cross-validation), each by a classifier of the other folds
more         the gain of learning from all pictures instead of a part, by the learning curve where there is one
interval     Wilson's, of fewer pictures than were judged (``INDEPENDENT``); errors of the gain added in quadrature
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.evidence.extrapolation import Extrapolation, PredictedAccuracy
from caffelungo.report.classification_score import wilson

INDEPENDENT = 2.0
"""By how much the variance of a cross-validated accuracy exceeds that of as many independent answers. Classifiers of
folds share pictures, and all pictures are one draw (Y. Bengio and Y. Grandvalet, JMLR 5, 2004, show that no estimate of
it is unbiased); `python -m benchmarks.advise` counts how often intervals hold."""
DRAWS = 2000


@dataclass(frozen=True)
class ExpectedAccuracy:
    """``value`` between ``low`` and ``high`` (95 %), of ``judged`` pictures; ``more`` is the part of it that learning
    from all pictures adds, ``trained`` the part that fine-tuning adds."""

    value: float
    low: float
    high: float
    judged: int
    more: float = 0.0
    trained: float = 0.0

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def expected_accuracy(right: NDArray[np.bool_], curve: Extrapolation | None) -> ExpectedAccuracy:
    """Of the choice, fitted to all pictures; ``right`` of those judged."""
    count = len(right)
    share = float(right.mean())
    fewer = max(1.0, count / INDEPENDENT)
    low, high = wilson(share * fewer, fewer)
    if curve is None:
        return ExpectedAccuracy(share, low, high, count)
    lost = curve.gain(curve.largest)
    return _added(ExpectedAccuracy(share, low, high, count), PredictedAccuracy(-lost.value, -lost.high, -lost.low))


def with_training(found: ExpectedAccuracy, gains: NDArray[np.float64]) -> ExpectedAccuracy:
    """Of the best of T fine-tunings, whose ``gains`` (T x H) are over the linear classifier, picture by picture.

    The best is the best by chance, too. How much of its gain that is: pictures are drawn with replacement, the best of
    the draw is judged on those not drawn (I. Tsamardinos, E. Greasidou and G. Borboudakis, Bootstrapping the
    out-of-sample predictions for efficient and accurate cross-validation, Machine Learning 107, 2018).
    """
    rng = np.random.default_rng(0)
    count = gains.shape[1]
    apart = np.empty(DRAWS)
    for draw in range(DRAWS):
        often = np.bincount(rng.integers(count, size=count), minlength=count)
        best = int((gains @ often).argmax())
        left = often == 0
        apart[draw] = gains[best, left].mean() if left.any() else gains[best].mean()
    value = float(apart.mean())
    chosen = gains[int(gains.mean(1).argmax())]
    half = 1.96 * math.sqrt((float(chosen.var()) + 1 / (count + 1)) / count)
    made = _added(found, PredictedAccuracy(value, value - half, value + half))
    return ExpectedAccuracy(made.value, made.low, made.high, found.judged, found.more, made.value - found.value)


def _added(found: ExpectedAccuracy, gain: PredictedAccuracy) -> ExpectedAccuracy:
    """``found`` with a gain whose error is independent of its own."""
    value = min(1.0, found.value + gain.value)
    below = math.hypot(found.value - found.low, gain.value - gain.low)
    above = math.hypot(found.high - found.value, gain.high - gain.value)
    return ExpectedAccuracy(value, max(0.0, value - below), min(1.0, value + above), found.judged, value - found.value)
