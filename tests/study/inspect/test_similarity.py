"""CKA and its companions against their formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.study.inspect.embedding import pca
from caffelungo.study.inspect.similarity import correlation, linear_cka, neighbours_agree


def drawn(seed: int, samples: int, features: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(samples, features))


def test_biased_cka_is_the_published_formula() -> None:
    x, y = drawn(0, 30, 7), drawn(1, 30, 5)
    y[:, 0] += 2 * x[:, 3]
    a, b = x - x.mean(0), y - y.mean(0)
    expected = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert linear_cka(x.astype(np.float32), y)[1] == pytest.approx(expected, rel=1e-5)


def u_statistic(k: np.ndarray, m: np.ndarray) -> float:
    """HSIC as the mean over all quadruples of different samples (Song et al. 2012, theorem 3)."""
    n = len(k)
    total = 0.0
    for i, j, q, r in itertools.permutations(range(n), 4):
        total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
    return total / (n * (n - 1) * (n - 2) * (n - 3))


def test_cka_without_bias_is_the_u_statistic() -> None:
    x, y = drawn(2, 7, 4), drawn(3, 7, 3)
    y[:, 1] += x[:, 0]
    k, m = x @ x.T, y @ y.T
    expected = u_statistic(k, m) / np.sqrt(u_statistic(k, k) * u_statistic(m, m))
    assert linear_cka(x, y)[0] == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 999), scale=st.floats(0.01, 100), shift=st.floats(-5, 5))
def test_cka_does_not_see_rotation_scale_and_shift(seed: int, scale: float, shift: float) -> None:
    x, y = drawn(seed, 12, 4), drawn(seed + 1, 12, 4)
    turn = np.linalg.qr(drawn(seed + 2, 4, 4))[0]
    assert linear_cka(x, scale * y @ turn + shift) == pytest.approx(linear_cka(x, y), abs=1e-6)
    assert linear_cka(x, scale * x @ turn + shift) == pytest.approx((1, 1), abs=1e-9)


def test_only_the_estimate_without_bias_sees_that_wide_features_are_unrelated() -> None:
    plain, biased = linear_cka(drawn(0, 40, 3000), drawn(1, 40, 3000))
    assert abs(plain) < 0.1
    assert biased > 0.9


def test_features_of_any_shape_and_constant_ones() -> None:
    x = drawn(0, 10, 12)
    assert linear_cka(x.reshape(10, 3, 2, 2), x) == pytest.approx((1, 1))
    assert np.isnan(linear_cka(x, np.ones((10, 3)))).all()
    assert np.isnan(linear_cka(x[:3], x[:3])).all()


def test_neighbours() -> None:
    features = np.array([[1, 0], [2, 0.1], [0, 1], [0.1, 3], [1, 0.9]])
    assert neighbours_agree(features, np.array([0, 0, 1, 1, 0])) == pytest.approx(1)
    assert neighbours_agree(features, np.array([0, 0, 1, 0, 1])) == pytest.approx(0.4)


def test_correlation() -> None:
    x, y = drawn(0, 20, 3), drawn(1, 20, 3)
    expected = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(3)]
    assert correlation(x, y) == pytest.approx(expected)
    assert np.isnan(correlation(np.ones((4, 1)), drawn(0, 4, 1)))[0]


def test_pca_has_the_largest_variances_and_pads() -> None:
    x = drawn(0, 50, 3) * [5, 1, 0.1]
    found = pca(x, 2)
    values = np.sort(np.linalg.eigvalsh(np.cov(x.T)))[::-1]
    assert found.var(0, ddof=1) == pytest.approx(values[:2])
    assert pca(x[:, :1], 2)[:, 1].tolist() == [0] * 50
