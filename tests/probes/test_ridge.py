"""Ridge regression, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from caffelungo.errors import UserError
from caffelungo.probes.ridge import PENALTIES, fit, held_out_predictions


def data(n: int, d: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(2, 1, (n, d))
    return x, x @ rng.normal(0, 1, (d, k)) + rng.normal(0, 0.5, (n, k)) + 7


@given(st.integers(2, 30), st.integers(1, 30), st.integers(1, 3), st.integers(0, 100))
def test_more_and_fewer_features_than_pictures(n: int, d: int, k: int, seed: int) -> None:
    x, y = data(n, d, k, seed)
    penalties = (1.0, 0.01)
    found = fit(torch.from_numpy(x), torch.from_numpy(y), penalties)
    for penalty, weight, bias in zip(penalties, found.weight, found.bias, strict=True):
        theirs = Ridge(penalty * n, solver="svd").fit(x, y)
        np.testing.assert_allclose(weight.numpy(), np.reshape(theirs.coef_, (k, d)), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(bias.numpy(), np.reshape(theirs.intercept_, k), rtol=1e-6, atol=1e-6)


def test_weights_of_pictures() -> None:
    x, y = data(12, 5, 2)
    weights = np.random.default_rng(1).uniform(0.2, 2, 12)
    found = fit(torch.from_numpy(x), torch.from_numpy(y), [0.1], torch.from_numpy(weights))
    theirs = Ridge(0.1 * weights.sum(), solver="cholesky").fit(x, y, sample_weight=weights)
    np.testing.assert_allclose(found.weight[0].numpy(), theirs.coef_, rtol=1e-9)


def test_a_picture_of_weight_two_is_two_pictures() -> None:
    x, y = data(6, 3, 1)
    twice = fit(torch.from_numpy(np.r_[x, x[:1]]), torch.from_numpy(np.r_[y, y[:1]]), [0.3])
    once = fit(torch.from_numpy(x), torch.from_numpy(y), [0.3], torch.tensor([2.0, 1, 1, 1, 1, 1]))
    torch.testing.assert_close(once.weight, twice.weight)


def test_the_weakest_penalty_is_least_squares() -> None:
    x, y = data(40, 4, 2)
    found = fit(torch.from_numpy(x), torch.from_numpy(y), PENALTIES)
    np.testing.assert_allclose(found.weight[-1].numpy(), LinearRegression().fit(x, y).coef_, rtol=1e-5)
    assert found.weight[0].abs().max() < 0.01


def test_predictions_of_pictures_held_out() -> None:
    x, y = data(30, 8, 2)
    folds = np.arange(30) % 4
    predicted, held = held_out_predictions(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(folds), [0.02])
    # Ridge's alpha is a penalty times the pictures learned from: 22 or 23 here.
    for fold in range(4):
        theirs = Ridge(0.02 * int((folds != fold).sum())).fit(x[folds != fold], y[folds != fold])
        np.testing.assert_allclose(predicted[0, folds == fold].numpy(), theirs.predict(x[folds == fold]), rtol=1e-8)
    assert held.tolist() == list(range(30))
    splits = PredefinedSplit(np.arange(30) % 2)  # equal folds, where one alpha does
    predicted, _ = held_out_predictions(torch.from_numpy(x), torch.from_numpy(y), torch.arange(30) % 2, [0.1])
    np.testing.assert_allclose(predicted[0].numpy(), cross_val_predict(Ridge(1.5), x, y, cv=splits), rtol=1e-8)


def test_one_part_held_out() -> None:
    x, y = data(10, 3, 1)
    held = torch.arange(10) >= 7
    predicted, places = held_out_predictions(torch.from_numpy(x), torch.from_numpy(y), held, [0.1, 1])
    assert predicted.shape == (2, 3, 1)
    assert places.tolist() == [7, 8, 9]


def test_refusals() -> None:
    x, y = (torch.from_numpy(one) for one in data(6, 3, 1))
    for wrong in ((x[:5], y, [1.0]), (x, y[:, 0], [1.0]), (x, y, [1.0], torch.ones(2))):
        with pytest.raises(UserError, match="row of features for each row"):
            fit(*wrong)
    for penalties in ([], [0.0], [1.0, float("nan")]):
        with pytest.raises(UserError, match="penalties must be above 0"):
            fit(x, y, penalties)
    for parts in (torch.zeros(6, dtype=torch.bool), torch.zeros(6, dtype=torch.long)):
        with pytest.raises(UserError, match="pictures to learn from"):
            held_out_predictions(x, y, parts, [1.0])
