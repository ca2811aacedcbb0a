"""Confident learning against worked values and the definition written out, and on planted errors."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import Floats, Labels
from caffelungo.evidence.confident_learning import MARGIN, label_errors
from caffelungo.evidence.held_out_probabilities import held_out_probabilities
from caffelungo.probes.folds import stratified_folds
from tests.probes.made_up import clusters

linear_model = pytest.importorskip("sklearn.linear_model")

FIRST = np.array([0.9, 0.8, 0.3, 0.6, 0.2, 0.1, 0.7, 0.45])
P = np.c_[FIRST, 1 - FIRST]
LABELS = np.repeat([0, 1], 4)


def joint_written_out(p: Floats, y: Labels) -> tuple[Floats, Floats]:
    classes = p.shape[1]
    thresholds = [p[y == j, j].mean() for j in range(classes)]
    counts = np.zeros((classes, classes))
    for row, given in zip(p, y, strict=True):
        reached = [j for j in range(classes) if row[j] >= thresholds[j]]
        if reached:
            counts[given, max(reached, key=lambda j: row[j])] += 1
    joint = counts / counts.sum(1, keepdims=True) * np.bincount(y, minlength=classes)[:, None]
    return counts, joint / joint.sum()


def test_worked_values() -> None:
    found = label_errors(P, LABELS)
    np.testing.assert_allclose(found.thresholds, [0.65, 0.6375])
    assert found.counts.tolist() == [[2, 1], [1, 2]]
    assert found.suspects.tolist() == [2, 6]
    assert found.share == pytest.approx(1 / 3)
    assert found.ranked(MARGIN)[:3].tolist() == [2, 6, 7]
    assert found.ranked()[:3].tolist() == [2, 6, 7]
    np.testing.assert_allclose(found.margin, [0.8, 0.6, -0.4, 0.2, 0.6, 0.8, -0.4, 0.1])
    assert found.likely.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_joint_as_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(5), rng.integers(0, 5, 295)]
    p = rng.dirichlet(np.ones(5), 300) * 0.5 + 0.5 * np.eye(5)[np.where(rng.random(300) < 0.2, rng.permutation(y), y)]
    found = label_errors(p, y)
    counts, joint = joint_written_out(p, y)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.joint, joint)
    cells = [(i, j) for i in range(5) for j in range(5) if i != j]
    expected: set[int] = set()
    for i, j in cells:
        rows = sorted(np.flatnonzero(y == i), key=lambda row: p[row, i] - p[row, j])
        expected.update(rows[: round(300 * joint[i, j])])
    assert set(found.suspects.tolist()) == expected
    assert len(expected) > 10
    assert (np.diff(found.confidence[found.suspects]) >= 0).all()


def test_rows_that_were_not_judged_are_in_no_count() -> None:
    y = np.r_[np.tile([0, 1], 20), 2]
    p = np.c_[np.where(y == 0, 0.8, 0.2), np.where(y == 1, 0.7, 0.1), np.full(41, 0.1)]
    p /= p.sum(1, keepdims=True)
    judged = y != 2
    found = label_errors(p, y, judged)
    assert 40 not in found.ranked()
    assert 40 not in found.suspects
    assert np.isnan(found.margin[40])
    assert found.joint[2].sum() == 0
    assert label_errors(p, y).ranked()[0] == 40


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        (P * 2, LABELS, "sum to 1"),
        (P, LABELS + 1, "labels must be columns"),
        (P, LABELS * 0, "two classes"),
        (P[:3], LABELS, "one integer label"),
    ],
)
def test_refusals(p: Floats, y: Labels, words: str) -> None:
    with pytest.raises(UserError, match=words):
        label_errors(p, y)
    with pytest.raises(UserError, match="no such order"):
        label_errors(P, LABELS).ranked("luck")


def test_probabilities_as_those_of_sklearn() -> None:
    x, y = clusters(90, 6, 3)
    found = held_out_probabilities(x, y, penalties=[1.0])
    parts = stratified_folds(y, 5, 0).numpy()
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    unit = (unit - unit.mean(0)) / np.sqrt(unit.var(0).mean())
    for fold in range(5):
        model = linear_model.LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(
            unit[parts != fold], y[parts != fold]
        )
        np.testing.assert_allclose(
            found.probabilities[parts == fold], model.predict_proba(unit[parts == fold]), atol=2e-3
        )
    assert found.judged.all()
    assert found.converged
    assert found.penalty == 1.0


def test_classes_of_one_picture_are_not_judged_and_copies_do_not_judge_each_other() -> None:
    x, y = clusters(60, 5, 3)
    y = np.r_[y, 9]
    x = np.r_[x, x[:1] + 5]
    found = held_out_probabilities(x, y)
    assert found.classes.tolist() == [0, 1, 2, 9]
    assert found.judged.tolist() == [True] * 60 + [False]
    noise = np.random.default_rng(0).normal(size=(40, 60))
    labels = np.tile([0, 1], 20)
    twice, both = np.r_[noise, noise], np.r_[labels, labels]
    apart = held_out_probabilities(twice, both, groups=[[row, row + 40] for row in range(40)])
    loose = held_out_probabilities(twice, both)
    right = [float((one.probabilities.argmax(1) == both).mean()) for one in (apart, loose)]
    assert right[0] < 0.7
    assert right[1] > right[0] + 0.15


def test_planted_errors_come_first() -> None:
    """5 % of 600 labels: most are in the first 8 % that are shown, where a classifier is right in 80 of 100 cases."""
    x, y = clusters(600, 12, 6, apart=0.75, seed=3)
    rng = np.random.default_rng(0)
    planted = rng.permutation(600)[:30]
    y[planted] = (y[planted] + rng.integers(1, 6, 30)) % 6
    found = held_out_probabilities(x, y)
    accuracy = float((found.probabilities.argmax(1) == y).mean())
    assert 0.6 < accuracy < 0.9
    errors = label_errors(found.probabilities, y, found.judged)
    for by in (MARGIN, "self-confidence"):
        shown = errors.ranked(by)[:48]
        assert np.isin(planted, shown).mean() >= 0.6
