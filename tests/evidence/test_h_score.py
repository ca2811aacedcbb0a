"""The H-score against worked values, scikit-learn's shrinkage and the formula written out."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence import checked_features
from caffelungo.evidence.checked_features import Floats, Labels
from caffelungo.evidence.feature_axes import axes_of, ledoit_wolf
from caffelungo.evidence.h_score import h_score
from tests.evidence.fixtures import X, Y
from tests.probes.made_up import clusters

covariance = pytest.importorskip("sklearn.covariance")


def written_out(x: Floats, y: Labels) -> tuple[float, float]:
    """The regularised and the plain score."""
    x = x - x.mean(0)
    means = np.zeros_like(x)
    for each in np.unique(y):
        means[y == each] = x[y == each].mean(0)
    between = means.T @ means / (len(x) - 1)
    shrunk = covariance.LedoitWolf(assume_centered=True).fit(x)
    regular = (1 - shrunk.shrinkage_) * np.trace(np.linalg.solve(shrunk.covariance_, between))
    plain = np.trace(np.linalg.pinv(x.T @ x / (len(x) - 1)) @ between)
    return float(regular), float(plain)


def test_worked_values() -> None:
    found = h_score(X, Y)
    assert found.plain == pytest.approx(1.3971953, abs=1e-7)
    assert found.shrinkage == pytest.approx(0.588385, abs=1e-6)
    assert found.score == pytest.approx(0.7396645, abs=1e-7)
    assert found.most == 2


@pytest.mark.parametrize(("rows", "features", "classes"), [(200, 10, 4), (40, 90, 3), (91, 90, 5), (30, 30, 2)])
def test_as_written_out(rows: int, features: int, classes: int) -> None:
    x, y = clusters(rows, features, classes)
    found = h_score(x, y)
    regular, plain = written_out(x, y)
    assert found.score == pytest.approx(regular, rel=1e-8)
    if rows > features + 1:
        assert found.plain == pytest.approx(plain, rel=1e-8)
    else:
        assert found.plain is None
        assert plain == pytest.approx(classes - 1, rel=1e-6)


@pytest.mark.parametrize("rows", [150, 60])
def test_shrinkage_is_that_of_sklearn(rows: int) -> None:
    x, _ = clusters(rows, 80, 3)
    assert ledoit_wolf(axes_of(x, centred=True)) == pytest.approx(covariance.ledoit_wolf_shrinkage(x), rel=1e-9)


def test_noise_scores_next_to_nothing_where_the_plain_score_does_not() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 100)), rng.integers(0, 5, 400)
    found = h_score(x, y)
    assert found.plain == pytest.approx(4 * 100 / 399, rel=0.15)
    assert found.score < 0.05


def test_a_constant_feature_and_chunks_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clusters(120, 8, 3)
    assert h_score(np.c_[x, np.full(120, 7.0)], y).plain == pytest.approx(h_score(x, y).plain, rel=1e-9)
    whole = h_score(x, y).score
    monkeypatch.setattr(checked_features, "CHUNK", 64)
    assert h_score(x, y).score == pytest.approx(whole, rel=1e-10)


def test_equal_rows_are_refused() -> None:
    with pytest.raises(UserError, match="same for every picture"):
        h_score(np.ones((12, 3)), Y)
