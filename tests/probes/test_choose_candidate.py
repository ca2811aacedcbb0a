"""Which classifier is chosen, and the chosen one for features as they are: against scikit-learn."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from caffelungo.errors import UserError
from caffelungo.probes import choose_candidate, logistic
from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.choose_candidate import TriedCandidate, attempt, choose, fit_head, held_out
from caffelungo.probes.penalty_path import PenaltyRow

RNG = np.random.default_rng(2)
LABELS = np.arange(40) % 3
X = torch.from_numpy((RNG.normal(size=(40, 6)) + 1.5 * np.eye(6)[LABELS]).astype(np.float32) * 0.3 + 5)


def tried(name: str, features: int, loss: float, accuracy: float = 0.5) -> TriedCandidate:
    row = PenaltyRow(1.0, loss, accuracy, accuracy, 3, True)
    return TriedCandidate(ProbeCandidate(name, (name,)), features, (row,), 0, 1, 2, 0.1, 0.9)


def test_the_least_loss_of_equals_the_fewest_features() -> None:
    rows = [tried("a", 5, 0.3), tried("b", 9, 0.2), tried("c", 5, 0.2), tried("d", 1, 0.9, 1.0)]
    assert choose(rows).candidate.name == "c"
    assert choose(rows, "svm").candidate.name == "d"
    assert choose(rows[:2], "svm").candidate.name == "a"


@pytest.mark.parametrize("versions", [1, 2])
@pytest.mark.parametrize("penalty", [0.1, 3.0])
def test_the_classifier_of_all_rows_is_that_of_scikit_learn(
    penalty: float, versions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.cat([X, X.flip(1)][:versions])
    monkeypatch.setitem(choose_candidate.CLASSIFIERS, "logistic", functools.partial(logistic.fit, tolerance=1e-6))
    head = fit_head(x, LABELS, 3, penalty)
    # Unit scaling centres by the pictures as they are, and divides by one number, which the penalty counts in.
    plain = X.double()
    scale = float((plain - plain.mean(0)).square().mean().sqrt())
    centred = ((x.double() - plain.mean(0)) / scale).numpy()
    weights = np.full(len(x), 1 / versions)
    other = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000)
    other.fit(centred, np.tile(LABELS, versions), sample_weight=weights)
    chances = torch.softmax(head.answers(x).double(), 1).numpy()
    expected = other.predict_proba(centred)
    np.testing.assert_allclose(chances, expected, atol=1e-3)
    assert head.weight.shape == (3, 6)
    assert head.weight.dtype == head.bias.dtype == np.float32


def test_answers_are_those_of_an_inner_product() -> None:
    head = fit_head(X, LABELS, 3, 1.0, scaling="standardise", classifier="svm")
    np.testing.assert_allclose(head.answers(X).numpy(), X.numpy() @ head.weight.T + head.bias, rtol=1e-4, atol=1e-4)
    assert (head.answers(X).argmax(1).numpy() == LABELS).mean() > 0.6


def test_what_was_right_is_what_the_row_says() -> None:
    row = attempt(ProbeCandidate("x", ("x",)), X, LABELS, 3, held_out(LABELS, 4, 0), penalties=(0.1, 1.0, 10.0))
    assert (row.features, row.held) == (6, 40)
    assert row.right / row.held == pytest.approx(row.accuracy)
    assert row.low < row.accuracy < row.high
    assert row.loss == min(one.loss for one in row.rows)
    assert row.plain()["right"] == row.right


def test_many_pictures_are_held_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose_candidate, "MANY", 40)
    parts = held_out(LABELS, 5, 0, [[0, 3, 6, 9]])
    assert parts.dtype == torch.bool
    assert int(parts.sum()) == pytest.approx(8, abs=3)
    assert len(set(parts[[0, 3, 6, 9]].tolist())) == 1


def test_copies_share_a_fold_and_folds_are_no_more_than_pictures() -> None:
    parts = held_out(LABELS, 5, 1, [[0, 1, 2], [5, 11]])
    assert len(set(parts[:3].tolist())) == 1
    assert parts[5] == parts[11]
    assert int(held_out(np.array([0, 1, 0]), 5, 0).max()) == 2
    assert torch.equal(parts, held_out(LABELS, 5, 1, [[0, 1, 2], [5, 11]]))
    assert not torch.equal(parts, held_out(LABELS, 5, 2, [[0, 1, 2], [5, 11]]))


def test_weights_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = choose_candidate.CLASSIFIERS["logistic"]

    def broken(*arguments: object) -> object:
        found = real(*arguments)
        return replace(found, weight=found.weight * float("nan"))

    monkeypatch.setitem(choose_candidate.CLASSIFIERS, "logistic", broken)
    with pytest.raises(UserError, match="finite weights"):
        fit_head(X, LABELS, 3, 1.0)
