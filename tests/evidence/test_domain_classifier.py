"""The domain classifier: its AUC against scikit-learn's, and whether the interval holds what it says."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence.domain_classifier import DomainSeparation, area_interval, area_under_curve, domain_separation

metrics = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")


def test_area_as_sklearn() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 9, 40) / 8, rng.integers(-2, 7, 70) / 8  # with ties
    theirs = metrics.roc_auc_score(np.r_[np.ones(40), np.zeros(70)], np.r_[positive, negative])
    assert area_under_curve(positive, negative) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("true", [0.5, 0.8, 0.95, 0.99])
def test_the_interval_holds_the_area_in_95_of_100_cases(true: float) -> None:
    rng = np.random.default_rng(0)
    shift = np.sqrt(2) * stats.norm.ppf(true)
    held = 0
    for _ in range(1000):
        auc = area_under_curve(rng.normal(size=40) + shift, rng.normal(size=40))
        low, high = area_interval(auc, 40, 40)
        held += low <= true <= high
    assert 0.93 <= held / 1000 <= 0.985


def test_intervals_at_the_ends() -> None:
    low, high = area_interval(1.0, 30, 30)
    assert high == 1.0
    assert 0.9 < low < 0.99
    assert area_interval(0.0, 30, 30) == (0.0, pytest.approx(1 - low))


def test_one_distribution_and_two() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(15):
        both = rng.normal(size=(100, 10))
        found = domain_separation(both[:60], both[60:], seed=seed)
        held += found.low <= 0.5 <= found.high
        assert found.count == 40
    assert held >= 13
    far = domain_separation(rng.normal(size=(80, 30)), rng.normal(size=(80, 30)) + 1)
    assert far.low > 0.9
    assert far.proxy == pytest.approx(2 * (1 - 2 * far.error))
    assert far.proxy > 1.6
    assert DomainSeparation(0.4, 0.2, 0.6, 0.6, 10).proxy == 0


def test_of_the_larger_set_not_just_the_first_rows_are_read() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(400, 5))
    source[:40] += 5
    assert domain_separation(source, rng.normal(size=(40, 5))).auc < 0.8


def test_refusals() -> None:
    with pytest.raises(UserError, match="features of different layers"):
        domain_separation(np.ones((20, 3)), np.ones((20, 4)))
    with pytest.raises(UserError, match=r"target features are a table.*10 rows"):
        domain_separation(np.eye(20), np.eye(20)[:5])
