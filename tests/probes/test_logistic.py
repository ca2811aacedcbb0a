"""Logistic regression against scikit-learn, at the edges, and with what it must refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from caffelungo.errors import UserError
from caffelungo.probes import logistic, principal_axes
from caffelungo.probes.weighted_problems import ABSENT
from tests.probes.made_up import Floats, Labels, clusters

sklearn_linear = pytest.importorskip("sklearn.linear_model")


def objective(x: Floats, y: Labels, weight: Floats, bias: Floats, penalty: float) -> float:
    loss = F.cross_entropy(torch.from_numpy(x @ weight.T + bias), torch.from_numpy(y), reduction="sum")
    return float(loss) + penalty / 2 * float((weight**2).sum())


def theirs(x: Floats, y: Labels, penalty: float, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """scikit-learn's coefficients, C x D and C. Of two classes it solves w = w1 - w0, so its penalty is doubled."""
    two = len(np.unique(y)) == 2
    model = sklearn_linear.LogisticRegression(C=(2 if two else 1) / penalty, tol=1e-8, max_iter=50_000)
    model.fit(x, y, sample_weight=weights)
    if two:
        return np.r_[-model.coef_, model.coef_] / 2, np.r_[-model.intercept_, model.intercept_] / 2
    return model.coef_, model.intercept_


@pytest.mark.parametrize(
    ("rows", "features", "classes", "penalty", "axes"),
    [
        (300, 20, 4, 10.0, True),
        (300, 20, 4, 1e-1, True),
        (300, 20, 4, 1.0, False),
        (60, 90, 3, 1.0, True),
        (60, 90, 3, 1.0, False),
        (50, 1, 2, 0.1, True),
        (120, 5, 2, 1.0, True),
        (303, 10, 101, 10.0, True),
    ],
)
def test_as_sklearn(
    rows: int, features: int, classes: int, penalty: float, axes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not axes:
        monkeypatch.setattr(principal_axes, "LARGEST", 0)
    x, y = clusters(rows, features, classes)
    fitted = logistic.fit(x, y, classes, penalty, tolerance=1e-6, iterations=5000)
    assert bool(fitted.converged.all())
    weight, bias = theirs(x, y, penalty)
    mine, least = (
        objective(x, y, fitted.weight[0].numpy(), fitted.bias[0].numpy(), penalty),
        objective(x, y, weight, bias, penalty),
    )
    assert mine == pytest.approx(least, rel=1e-6)
    assert np.abs(fitted.weight[0].numpy() - weight).max() < 2e-4 * np.abs(weight).max()
    answers = fitted.answers(torch.from_numpy(x))[0].softmax(1).numpy()
    theirs_shares = torch.from_numpy(x @ weight.T + bias).softmax(1).numpy()
    assert np.abs(answers - theirs_shares).max() < 2e-4


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(6, 40),
    features=st.integers(1, 60),
    classes=st.integers(2, 5),
    exponent=st.floats(-3, 3),
    seed=st.integers(0, 99),
)
def test_the_tolerance_bounds_the_objective(rows: int, features: int, classes: int, exponent: float, seed: int) -> None:
    x, y = clusters(rows, features, classes, seed=seed)
    penalty = 10.0**exponent
    rough, fine = (logistic.fit(x, y, classes, penalty, tolerance=t) for t in (1e-1, 1e-6))
    assert bool(rough.converged.all())
    assert bool(fine.converged.all())
    one, least = (objective(x, y, f.weight[0].numpy(), f.bias[0].numpy(), penalty) for f in (rough, fine))
    # tolerance^2 for a bias at its best, and as much again for one that is not quite
    assert least * (1 - 1e-9) <= one <= least * (1 + 2e-2)


def test_several_problems_at_once_are_each_alone() -> None:
    x, y = clusters(90, 8, 3)
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 2, (3, 90)) * (rng.uniform(size=(3, 90)) > 0.3)
    penalties = [10.0, 1.0, 0.05]
    together = logistic.fit(x, y, 3, penalties, weights, tolerance=1e-7)
    for number, penalty in enumerate(penalties):
        weight, bias = theirs(x, y, penalty, weights[number])
        assert np.abs(together.weight[number].numpy() - weight).max() < 1e-4 * np.abs(weight).max()
        assert together.bias[number].numpy() - together.bias[number].mean().item() == pytest.approx(
            bias - bias.mean(), abs=1e-3
        )
    one = logistic.fit(x, y, 3, 0.05, weights[2], tolerance=1e-7)
    assert torch.allclose(one.weight[0], together.weight[2], rtol=1e-5, atol=1e-7)


def test_rows_without_weight_do_not_matter() -> None:
    x, y = clusters(60, 6, 3)
    kept = np.arange(60) % 3 != 1
    moved = x.copy()
    moved[~kept] += 50
    first = logistic.fit(moved, y, 3, 1.0, kept.astype(float), tolerance=1e-7)
    alone = logistic.fit(x[kept], y[kept], 3, 1.0, tolerance=1e-7)
    assert torch.allclose(first.weight, alone.weight, rtol=1e-4, atol=1e-6)


def test_separable_rows_have_a_bounded_classifier() -> None:
    x, y = clusters(60, 4, 2, apart=20)
    fitted = logistic.fit(x, y, 2, 1e-4, tolerance=1e-6)
    assert bool(fitted.converged.all())
    weight, _ = theirs(x, y, 1e-4)
    assert float(fitted.weight.norm()) == pytest.approx(float(np.linalg.norm(weight)), rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_features(dtype: torch.dtype) -> None:
    y = torch.tensor([0, 0, 0, 1, 2, 2])
    fitted = logistic.fit(torch.full((6, 3), 7.3, dtype=dtype), y, 3, 1.0, tolerance=1e-6)
    assert bool(fitted.converged.all())
    assert not fitted.weight.any()
    assert torch.allclose(fitted.bias[0].softmax(0), torch.tensor([3, 1, 2], dtype=dtype) / 6, atol=1e-5)
    varied, labels = clusters(40, 3, 3)
    varied[:, 1] = 7.3
    one = logistic.fit(torch.from_numpy(varied).to(dtype), labels, 3, 1.0)
    assert float(one.weight[0, :, 1].abs().max()) < 1e-12


def test_a_class_without_rows_is_set_apart() -> None:
    x, y = clusters(60, 5, 3)
    fitted = logistic.fit(x, y, 4, [1.0, 1.0], np.stack([np.ones(60), (y != 2).astype(float)]), tolerance=1e-7)
    assert bool(fitted.converged.all())
    assert fitted.bias[:, 3].tolist() == [ABSENT, ABSENT]
    assert float(fitted.bias[1, 2]) == ABSENT
    assert not fitted.weight[1, 2:].any()
    weight, _ = theirs(x[y != 2], y[y != 2], 1.0)
    assert np.abs(fitted.weight[1, :2].numpy() - weight).max() < 1e-4 * np.abs(weight).max()
    assert set(fitted.answers(torch.from_numpy(x)).argmax(2)[1].tolist()) == {0, 1}


def test_float32_comes_as_near_as_it_can() -> None:
    x, y = clusters(200, 30, 5)
    single = logistic.fit(x.astype(np.float32), y, 5, 1.0)
    double = logistic.fit(x, y, 5, 1.0, tolerance=1e-7)
    assert single.weight.dtype == torch.float32
    assert bool(single.converged.all())
    assert float((single.weight - double.weight).norm() / double.weight.norm()) < 5e-3


def test_a_start_saves_iterations_and_a_short_run_says_so() -> None:
    x, y = clusters(200, 30, 5)
    first = logistic.fit(x, y, 5, 0.1)
    again = logistic.fit(x, y, 5, 0.09, start=first)
    assert int(again.iterations[0]) < int(logistic.fit(x, y, 5, 0.09).iterations[0])
    short = logistic.fit(x, y, 5, 0.1, iterations=2)
    assert not bool(short.converged.any())
    assert int(short.iterations[0]) == 2
    assert float(short.gradient[0]) > 1e-3


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    x, y = clusters(20, 3, 2)
    x[4, 1] = value
    with pytest.raises(UserError, match="1 of 20 rows"):
        logistic.fit(x, y, 2, 1.0)


def test_all_that_is_wrong_is_told_at_once() -> None:
    x, y = clusters(20, 3, 4)
    x[0, 0] = math.nan
    with pytest.raises(UserError) as told:
        logistic.fit(x, y, 3, 1.0)
    assert len(told.value.problems) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"y": np.arange(20) - 1}, "labels of 2 classes"),
        ({"y": np.zeros(19, int)}, "one integer label"),
        ({"y": np.zeros(20)}, "one integer label"),
        ({"classes": 1, "y": np.zeros(20, int)}, "two classes"),
        ({"x": np.zeros(20)}, "table"),
        ({"penalty": 0.0}, "positive"),
        ({"penalty": [1.0, math.nan]}, "positive"),
        ({"weights": np.ones((2, 19))}, "problems x rows"),
        ({"weights": -np.ones(20)}, "must be 0 or larger"),
        ({"weights": np.zeros(20)}, "no row has a weight"),
        ({"start": logistic.fit(np.eye(3), np.arange(3) % 2, 2, 1.0)}, "a start"),
    ],
)
def test_refused(given: dict[str, object], words: str) -> None:
    x, y = clusters(20, 4, 2)
    with pytest.raises(UserError, match=words):
        logistic.fit(**({"x": x, "y": y, "classes": 2, "penalty": 1.0} | given))  # type: ignore[arg-type]


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    x, y = clusters(200, 30, 5)
    there = logistic.fit(torch.from_numpy(x).cuda(), torch.from_numpy(y), 5, 1.0, tolerance=1e-6)
    here = logistic.fit(x, y, 5, 1.0, tolerance=1e-6)
    assert there.weight.is_cuda
    assert torch.allclose(there.weight.cpu(), here.weight, rtol=1e-3, atol=1e-5)
