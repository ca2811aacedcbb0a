"""LogME against values of its released code, and against the density of the labels written out."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence import checked_features
from caffelungo.evidence.checked_features import Floats, Labels
from caffelungo.evidence.logme import NOISE, logme
from tests.evidence.fixtures import X, Y
from tests.probes.made_up import clusters

optimize = pytest.importorskip("scipy.optimize")
stats = pytest.importorskip("scipy.stats")


def log_density(x: Floats, y: Floats, alpha: float, noise: float) -> float:
    """ln N(y; 0, XX'/alpha + noise I), the evidence with the weights integrated out, per row."""
    covariance = x @ x.T / alpha + noise * np.eye(len(x))
    return float(stats.multivariate_normal(np.zeros(len(x)), covariance).logpdf(y)) / len(x)


def largest(x: Floats, y: Floats) -> float:
    """By a general optimiser, in the directions in which the rows' covariance is diagonal."""
    values, vectors = np.linalg.eigh(x @ x.T)
    squares = (vectors.T @ y) ** 2

    def loss(logs: Floats) -> float:
        variances = np.maximum(values, 0) / np.exp(logs[0]) + NOISE + np.exp(logs[1])
        return float((np.log(2 * np.pi * variances) + squares / variances).sum()) / 2 / len(x)

    grid = [(a, b) for a in np.arange(-8.0, 16.0, 1.0) for b in np.arange(-20.0, 2.0, 1.0)]
    start = min(grid, key=lambda logs: loss(np.array(logs)))
    found = optimize.minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    return -float(found.fun)


def test_worked_values() -> None:
    """The released code stops near the optimum: its alpha 17.56641, 16.37989, 26.71312 are within 1e-3 of it."""
    found = logme(X, Y)
    np.testing.assert_allclose(found.evidence, [-0.754807, -0.609328, -0.412136], atol=1e-6)
    np.testing.assert_allclose(found.alpha, [17.56641, 16.37989, 26.71312], rtol=1e-3)
    np.testing.assert_allclose(1 / found.noise, [6.250175, 9.237966, 13.340401], rtol=1e-3)
    assert found.score == pytest.approx(np.mean([-0.754807, -0.609328, -0.412136]), abs=1e-6)
    assert not found.limited.any()


@pytest.mark.parametrize(("rows", "features", "classes"), [(40, 5, 2), (30, 60, 3), (25, 25, 2), (60, 12, 5)])
def test_the_best_evidence_is_that_of_a_general_optimiser(rows: int, features: int, classes: int) -> None:
    x, y = clusters(rows, features, classes, apart=0.5, seed=rows)
    found = logme(x, y)
    for each in range(classes):
        target = (y == each).astype(float)
        assert found.evidence[each] == pytest.approx(
            log_density(x, target, found.alpha[each], found.noise[each]), abs=1e-6
        )
        assert found.evidence[each] == pytest.approx(largest(x, target), abs=1e-5)
        for alpha, noise in ((1.3, 1), (0.7, 1), (1, 1.3), (1, 0.7)):
            changed = max(NOISE, found.noise[each] * noise)
            other = log_density(x, target, found.alpha[each] * alpha, changed)
            assert other <= found.evidence[each] + 1e-9


@pytest.mark.parametrize("more", [100, 500])
def test_features_that_are_always_0_change_nothing(more: int) -> None:
    x, y = clusters(100, 40, 4)
    dead = np.c_[x, np.zeros((100, more))]
    assert logme(dead, y).score == pytest.approx(logme(x, y).score, abs=1e-9)


def test_a_rotation_changes_nothing_and_noise_scores_less() -> None:
    x, y = clusters(60, 90, 3)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(90, 90)))[0]
    assert logme(x @ turn, y).score == pytest.approx(logme(x, y).score, abs=1e-8)
    mixed = np.random.default_rng(1).permutation(y)
    assert logme(x, mixed).score < logme(x, y).score - 0.1


def test_equal_pictures_alone_do_not_make_it_infinite() -> None:
    """Where N < D a copy makes the labels a linear function of fewer features than rows: the noise is limited."""
    x, y = clusters(20, 50, 2)
    x, y = np.r_[x, x], np.r_[y, y]
    found = logme(x, y)
    assert found.limited.all()
    np.testing.assert_allclose(found.noise, NOISE)
    assert np.isfinite(found.score)
    for each in range(2):
        assert found.evidence[each] == pytest.approx(
            log_density(x, (y == each).astype(float), found.alpha[each], NOISE), abs=1e-6
        )


def test_classes_without_pictures_and_other_numbers_of_classes_change_nothing() -> None:
    x, y = clusters(50, 6, 3)
    assert logme(x, np.array([3, 70, 900])[y]).score == logme(x, y).score


def test_chunks_and_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clusters(300, 20, 4)
    whole = logme(x, y).score
    assert logme(x.astype(np.float32), y).score == pytest.approx(whole, abs=1e-5)
    monkeypatch.setattr(checked_features, "CHUNK", 140)
    assert logme(x, y).score == pytest.approx(whole, abs=1e-10)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, np.zeros(12, int), ["two classes", "1 class"]),
        (X, Y[:-1], ["one integer label"]),
        (X, Y.astype(float), ["one integer label"]),
        (X[0], Y, ["table of pictures x numbers"]),
        (np.where(X == 3, np.nan, X), Y, ["finite", "3 of 12 rows"]),
        (np.ones((12, 3)), np.zeros(12, int), ["same for every picture", "two classes"]),
    ],
)
def test_refusals(x: Floats, y: Labels, words: list[str]) -> None:
    with pytest.raises(UserError) as refused:
        logme(x, y)
    for word in words:
        assert word in str(refused.value)
