"""Logistic regressions of several labels, against scikit-learn's, label by label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss

from caffelungo.probes import label_logistic
from caffelungo.probes.penalty_path import KORNBLITH


def drawn(seed: int = 0, pictures: int = 60, features: int = 8, labels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(pictures, features))
    scores = x @ rng.normal(size=(features, labels)) - 0.5
    return x, (scores + rng.normal(0, 2, scores.shape) > 0).astype(float)


def theirs(x: np.ndarray, y: np.ndarray, penalty: float) -> LogisticRegression:
    return LogisticRegression(C=1 / penalty, tol=1e-9, max_iter=10_000).fit(x, y)


@pytest.mark.parametrize("penalty", [0.1, 3.0])
def test_each_label_is_scikit_learns_regression(penalty: float) -> None:
    x, y = drawn()
    found = label_logistic.fit(torch.from_numpy(x), torch.from_numpy(y), penalty)
    assert found.converged
    for k in range(3):
        wanted = theirs(x, y[:, k], penalty)
        np.testing.assert_allclose(found.weight[k], wanted.coef_[0], atol=2e-3)
        assert float(found.bias[k]) == pytest.approx(wanted.intercept_[0], abs=2e-3)


def test_unknown_labels_are_not_learned_from() -> None:
    x, y = drawn(1)
    y[::3, 0] = -1
    found = label_logistic.fit(torch.from_numpy(x), torch.from_numpy(y), 1.0)
    known = y[:, 0] >= 0
    np.testing.assert_allclose(found.weight[0], theirs(x[known], y[known, 0], 1.0).coef_[0], atol=2e-3)
    np.testing.assert_allclose(found.weight[1], theirs(x, y[:, 1], 1.0).coef_[0], atol=2e-3)


def test_versions_of_a_picture_share_its_weight() -> None:
    x, y = drawn(2)
    once = label_logistic.fit(torch.from_numpy(x), torch.from_numpy(y), 1.0)
    twice = label_logistic.fit(torch.from_numpy(np.tile(x, (2, 1))), torch.from_numpy(y), 1.0)
    np.testing.assert_allclose(twice.weight, once.weight, atol=2e-3)


def test_labels_that_no_picture_tells_apart_get_a_bias() -> None:
    x, y = drawn(3)
    y[:, 0], y[:, 1], y[:, 2] = 1, 0, -1
    found = label_logistic.fit(torch.from_numpy(x), torch.from_numpy(y), 1.0)
    assert found.converged
    assert not found.weight.any()
    assert found.bias.tolist() == pytest.approx([np.log(60.5 / 0.5), np.log(0.5 / 60.5), 0.0])


def test_losses_of_held_out_pictures() -> None:
    x, y = drawn(4, 80)
    folds = np.arange(80) % 4
    found = label_logistic.path(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(folds), [3.0])
    scores = np.empty_like(y)
    for fold in range(4):
        inside, out = folds != fold, folds == fold
        for k in range(3):
            scores[out, k] = theirs(x[inside], y[inside, k], 3.0).decision_function(x[out])
    (row,) = found.rows
    assert row.loss == pytest.approx(
        np.mean([log_loss(y[:, k], 1 / (1 + np.exp(-scores[:, k]))) for k in range(3)]), rel=0.01
    )
    assert row.ap == pytest.approx(
        np.mean([average_precision_score(y[:, k], scores[:, k]) for k in range(3)]), abs=0.01
    )
    np.testing.assert_allclose(found.scores, scores, atol=0.1)
    assert found.held.tolist() == list(range(80))


def test_the_penalty_is_the_strongest_that_is_not_worse() -> None:
    x, y = drawn(5, 80)
    penalties = KORNBLITH[::4]
    folds = torch.arange(80) % 4
    every = label_logistic.path(torch.from_numpy(x), torch.from_numpy(y), folds, penalties)
    assert [row.penalty for row in every.rows] == sorted(penalties, reverse=True)
    least = min(range(len(every.rows)), key=lambda at: every.rows[at].loss)
    assert 0 < every.best <= least
    early = label_logistic.path(torch.from_numpy(x), torch.from_numpy(y), folds, penalties, patience=2)
    assert early.best == every.best
    assert len(early.rows) < len(every.rows)
    one = label_logistic.path(torch.from_numpy(x), torch.from_numpy(y), folds == 0, penalties, patience=2)
    assert one.held.tolist() == list(range(0, 80, 4))


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_label_that_is_hardly_known_spoils_nothing(known: int) -> None:
    """In float32, where a penalty divided by no picture at all would be infinite."""
    x, y = drawn(6)
    y[known:, 2] = -1
    y[:known, 2] = 1
    parts = torch.arange(60) % 4
    features = torch.from_numpy(x).float()
    found = label_logistic.path(features, torch.from_numpy(y), parts, (1e6, 10.0, 0.1))
    without = label_logistic.path(features, torch.from_numpy(y[:, :2]), parts, (1e6, 10.0, 0.1))
    assert [row.loss for row in found.rows] == pytest.approx([row.loss for row in without.rows], rel=1e-4)
    assert [row.ap for row in found.rows] == pytest.approx([row.ap for row in without.rows], abs=1e-3)
    fitted = label_logistic.fit(features, torch.from_numpy(y), 1e6)
    assert torch.isfinite(fitted.weight).all()
    assert not fitted.weight[2].any()
