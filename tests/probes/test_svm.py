"""Squared hinge machines against scikit-learn's LinearSVC."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffelungo.errors import UserError
from caffelungo.probes import svm
from caffelungo.probes.weighted_problems import ABSENT
from tests.probes.made_up import Floats, clusters

sklearn_svm = pytest.importorskip("sklearn.svm")


def objective(x: Floats, sign: Floats, weight: Floats, bias: float, penalty: float) -> float:
    short = np.maximum(0, 1 - sign * (x @ weight + bias))
    return float((short**2).sum() + penalty / 2 * (weight**2).sum())


@pytest.mark.parametrize(
    ("rows", "features", "classes", "penalty"),
    [(200, 10, 4, 1.0), (80, 5, 2, 10.0), (40, 60, 3, 100.0), (50, 1, 3, 1.0)],
)
def test_as_sklearn(rows: int, features: int, classes: int, penalty: float) -> None:
    x, y = clusters(rows, features, classes)
    x = x - x.mean(0)
    fitted = svm.fit(x, y, classes, penalty, tolerance=1e-6, iterations=5000)
    assert bool(fitted.converged.all())
    for each in range(classes):
        sign = np.where(y == each, 1.0, -1.0)
        # a large feature of its own leaves the bias all but without a penalty
        model = sklearn_svm.LinearSVC(C=1 / penalty, intercept_scaling=1e3, tol=1e-9, max_iter=10**6, dual=False)
        weight, bias = model.fit(x, sign).coef_[0], float(model.intercept_[0])
        mine = fitted.weight[0, each].numpy()
        assert objective(x, sign, mine, float(fitted.bias[0, each]), penalty) <= objective(
            x, sign, weight, bias, penalty
        ) * (1 + 1e-6)
        assert np.abs(mine - weight).max() < 1e-3 * np.abs(weight).max()
        assert float(fitted.bias[0, each]) == pytest.approx(bias, abs=1e-3)


def test_several_problems_and_an_absent_class() -> None:
    x, y = clusters(90, 6, 3)
    weights = np.stack([np.ones(90), (y != 2).astype(float)])
    together = svm.fit(x, y, 3, [5.0, 1.0], weights, tolerance=1e-6)
    alone = svm.fit(x[y != 2], y[y != 2], 2, 1.0, tolerance=1e-6)
    assert torch.allclose(together.weight[1, :2], alone.weight[0], rtol=1e-3, atol=1e-6)
    assert float(together.bias[1, 2]) == ABSENT
    assert together.weight.shape == (2, 3, 6)
    assert together.converged.shape == together.iterations.shape == (2,)


def test_bad_input_is_refused() -> None:
    x, y = clusters(20, 3, 2)
    x[0, 0] = np.nan
    with pytest.raises(UserError, match="finite"):
        svm.fit(x, y, 2, 1.0)
