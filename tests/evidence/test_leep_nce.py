"""LEEP and NCE against worked values, sums written out and scikit-learn's mutual information."""

from __future__ import annotations

import math

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence import checked_features
from caffelungo.evidence.checked_features import Floats, Labels
from caffelungo.evidence.leep_nce import label_entropy, source_scores

metrics = pytest.importorskip("sklearn.metrics")

THETA = np.array(
    [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.3, 0.5, 0.2],
     [0.2, 0.2, 0.6], [0.1, 0.3, 0.6]],
)  # fmt: skip
LABELS = np.array([0, 0, 0, 1, 1, 0, 1, 1])


def drawn(seed: int) -> tuple[Floats, Labels]:
    rng = np.random.default_rng(seed)
    theta = rng.dirichlet(np.full(12, 0.3), 90)
    return theta, np.where(rng.random(90) < 0.6, theta.argmax(1) % 4, rng.integers(0, 4, 90))


def leep_written_out(theta: Floats, y: Labels) -> float:
    total = 0.0
    for i in range(len(y)):
        inside = 0.0
        for z in range(theta.shape[1]):
            inside += theta[i, z] * theta[y == y[i], z].sum() / theta[:, z].sum()
        total += math.log(inside)
    return total / len(y)


def test_worked_values() -> None:
    found = source_scores(THETA, LABELS)
    assert found.leep == pytest.approx(-0.5426609, abs=1e-7)
    assert found.nce == pytest.approx(-0.2386928, abs=1e-7)
    assert found.floor == pytest.approx(-0.6931472, abs=1e-7)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_as_written_out(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    theta, y = drawn(seed)
    found = source_scores(theta, y)
    assert found.leep == pytest.approx(leep_written_out(theta, y), rel=1e-9)
    known = metrics.mutual_info_score(y, theta.argmax(1))
    assert found.nce == pytest.approx(known - label_entropy(y), abs=1e-9)
    assert found.floor <= found.leep <= 0
    monkeypatch.setattr(checked_features, "CHUNK", 50)
    again = source_scores(theta.astype(np.float32), y)
    assert (again.leep, again.nce) == (pytest.approx(found.leep, abs=1e-6), pytest.approx(found.nce, abs=1e-9))


def test_a_source_that_knows_nothing_and_classes_that_are_missing() -> None:
    found = source_scores(np.full((8, 3), 1 / 3), LABELS)
    assert found.leep == pytest.approx(found.floor)
    assert found.nce == pytest.approx(found.floor)
    theta, y = drawn(3)
    unused = np.c_[theta, np.zeros(len(theta))]
    assert source_scores(unused, 5 * y).leep == pytest.approx(source_scores(theta, y).leep)


@pytest.mark.parametrize(
    ("theta", "labels", "words"),
    [
        (THETA * 2, LABELS, "sum to 1"),
        (THETA - [1, -1, 0], LABELS, "a probability of -0.9"),
        (THETA, LABELS * 0, "two classes"),
        (THETA[:5], LABELS, "one integer label"),
    ],
)
def test_refusals(theta: Floats, labels: Labels, words: str) -> None:
    with pytest.raises(UserError, match=words):
        source_scores(theta, labels)
