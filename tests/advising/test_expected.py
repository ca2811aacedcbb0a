"""The accuracy to expect: its interval, what more pictures and training add, and how often it holds."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.advising.expected import INDEPENDENT, expected_accuracy, with_training
from caffelungo.evidence.extrapolation import extrapolated
from caffelungo.evidence.learning_curve import learning_curve
from tests.advising.made_up import shares
from tests.probes.made_up import clusters


def test_without_a_curve_it_is_wilsons_of_fewer_pictures() -> None:
    found = expected_accuracy(shares(90, 100), None)
    n, p, z = 100 / INDEPENDENT, 0.9, 1.959963984540054
    centre, half = (p + z**2 / 2 / n) / (1 + z**2 / n), z * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2) / (1 + z**2 / n)
    assert (found.value, found.judged, found.more) == (0.9, 100, 0)
    assert [found.low, found.high] == pytest.approx([centre - half, centre + half])
    assert str(found) == f"90.0% ({100 * (centre - half):.1f}% to {100 * (centre + half):.1f}%)"


@pytest.mark.parametrize("right", [0, 30])
def test_none_or_all_right_is_not_taken_for_certain(right: int) -> None:
    found = expected_accuracy(shares(right, 30), None)
    assert found.high - found.low > 0.1
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_learning_from_all_pictures_adds_what_the_curve_says() -> None:
    x, y = clusters(60, 8, 3, apart=0.5)
    law = extrapolated(learning_curve(x, y))
    plain, more = (expected_accuracy(shares(30, 60), one) for one in (None, law))
    assert more.more == pytest.approx(-law.gain(law.largest).value)
    assert more.value == pytest.approx(plain.value + more.more)
    assert more.more > 0
    assert more.high - more.low > plain.high - plain.low


def test_the_gain_of_the_best_of_equal_trainings_is_not_believed() -> None:
    """Each of six trainings changes nothing in the mean; the best of them seems to gain."""
    rng = np.random.default_rng(0)
    seemed, believed = [], []
    for _ in range(6):
        gains = rng.choice([-1.0, 0.0, 1.0], size=(6, 40), p=[0.2, 0.6, 0.2])
        seemed.append(gains.mean(1).max())
        believed.append(with_training(expected_accuracy(shares(20, 40), None), gains).trained)
    assert np.mean(seemed) > 0.08
    assert abs(np.mean(believed)) < np.mean(seemed) / 2


def test_a_sure_gain_is_added() -> None:
    gains = np.where(np.arange(200) % 5 == 0, 1.0, 0.0)[None]
    found = with_training(expected_accuracy(shares(120, 200), None), gains)
    assert found.trained == pytest.approx(0.2, abs=0.01)
    assert found.value == pytest.approx(0.8, abs=0.01)
    assert found.low < 0.8 < found.high
