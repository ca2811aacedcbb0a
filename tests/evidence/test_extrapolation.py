"""What more pictures would bring: whether intervals hold the truth of curves that are known."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from caffelungo.errors import UserError
from caffelungo.evidence.extrapolation import FORM, extrapolated
from caffelungo.evidence.learning_curve import SHARES, LearningCurve

LAWS = [(0.08, 1.2, 0.5), (0.02, 0.9, 0.3), (0.3, 0.6, 0.8), (0.0, 0.9, 0.25)]


def error(law: tuple[float, float, float], sizes: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(law[0] + law[1] * np.asarray(sizes, float) ** -law[2], 0, 0.95)


def measured(law: tuple[float, float, float], count: int, classes: int, seed: int) -> LearningCurve:
    """A curve as it might be found: some pictures are harder than others, and some training sets are better."""
    rng = np.random.default_rng(seed)
    most = count / classes
    sizes = 0.8 * most * np.array(SHARES)
    hard = np.array([NormalDist().inv_cdf(float(each)) for each in error(law, sizes)])
    folds = np.stack([rng.permutation(count) % 5 for _ in range(2)])
    ease = 0.75**0.5 * rng.normal(size=count) + 0.25**0.5 * rng.normal(size=(2, len(SHARES), count))
    better = 0.12 * rng.normal(size=(2, 5))
    right = ease > hard[:, None] + np.take_along_axis(better, folds, 1)[:, None]
    return LearningCurve(sizes, most, right, folds)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("count", "classes"), [(200, 10), (500, 5)])
def test_intervals_hold_the_truth(law: tuple[float, float, float], count: int, classes: int) -> None:
    """95 of 100 say that they do; of 30 at least 26, and they are not as wide as to say nothing."""
    held = np.zeros((2, 3))
    widths = []
    for seed in range(30):
        curve = measured(law, count, classes, seed)
        found = extrapolated(curve, draws=200, seed=seed)
        for place, times in enumerate((1, 2, 4)):
            size = times * curve.most
            one, gain = found.accuracy(size), found.gain(size)
            truth = 1 - error(law, size)
            more = error(law, curve.most) - error(law, size)
            held[0, place] += one.low <= truth <= one.high
            held[1, place] += gain.low - 1e-9 <= more <= gain.high + 1e-9
            widths.append(one.high - one.low)
    assert (held >= 26).all()
    assert np.mean(widths) < 0.4


def test_values_of_a_curve_without_noise() -> None:
    law = LAWS[0]
    curve = measured(law, 200, 10, 0)
    sizes = curve.sizes
    right = np.arange(20_000) >= 20_000 * error(law, sizes)[:, None]
    exact = LearningCurve(sizes, 20.0, right[None], np.tile(np.arange(5), 4000)[None])
    found = extrapolated(exact, draws=200)
    assert found.accuracy(80).value == pytest.approx(1 - error(law, 80), abs=2e-3)
    assert found.gain(80).value == pytest.approx(error(law, 20) - error(law, 80), abs=2e-3)
    assert found.gain(20).value == 0
    for size in (20, 40, 80):
        one = found.accuracy(size)
        assert one.low < one.value < one.high
    assert found.accuracy(80).high - found.accuracy(80).low > found.accuracy(20).high - found.accuracy(20).low
    odds = [one / (1 - one) for one in (found.accuracy(80).low, found.accuracy(80).high)]
    assert np.log(odds[1] / odds[0]) > 0.8 * 2 * 1.96 * FORM * np.log2(80 / sizes[-1])


def test_folds_that_differ_widen_the_interval() -> None:
    """Two of five folds are all wrong, or the same number of pictures is spread over all folds."""
    sizes = 16 * np.array(SHARES)
    folds = np.repeat(np.arange(5), 20)
    widths = []
    for wrong in (folds < 2, np.arange(100) % 5 < 2):
        curve = LearningCurve(sizes, 20.0, np.broadcast_to(~wrong, (1, 5, 100)), folds[None])
        one = extrapolated(curve).accuracy(16)
        widths.append(one.high - one.low)
    assert widths[0] > 2 * widths[1]


def test_perfect_answers_are_not_certain_and_far_is_refused() -> None:
    sizes = 16 * np.array(SHARES)
    perfect = LearningCurve(sizes, 20.0, np.ones((1, 5, 60), np.bool_), np.tile(np.arange(5), 12)[None])
    found = extrapolated(perfect)
    one = found.accuracy(16)
    assert one.value == 1
    assert 0.93 < one.low < 0.97  # Jeffreys: 0.959
    assert one.high > 0.999
    with pytest.raises(UserError, match="4 times the pictures at most"):
        found.accuracy(81)
    with pytest.raises(UserError, match="4 times"):
        found.gain(0)
