"""Power laws against worked values and a general optimiser."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence.power_law import EXPONENTS, fit_power_laws

optimize = pytest.importorskip("scipy.optimize")

SIZES = np.array([10.0, 20, 40, 80, 160])


def test_worked_values() -> None:
    errors = np.array([0.459473, 0.348328, 0.269737, 0.214164, 0.174868])
    found = fit_power_laws(SIZES, errors, np.ones(5))
    assert found.limit[0] == pytest.approx(0.08, abs=1e-4)
    assert found.scale[0] == pytest.approx(1.2, abs=1e-3)
    assert found.exponent[0] == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(found.errors([320, 1280])[0], [0.147082, 0.113541], atol=1e-5)


def test_as_a_general_optimiser_within_the_bounds() -> None:
    rng = np.random.default_rng(0)
    errors = 0.1 + 0.9 * SIZES**-0.6 + 0.02 * rng.normal(size=(12, 5))
    weights = rng.uniform(0.5, 2, (12, 5))
    found = fit_power_laws(SIZES, errors, weights)
    mine = (weights * (found.errors(SIZES) - errors) ** 2).sum(1)
    bounds = ([0, 0, EXPONENTS[0]], [1, np.inf, EXPONENTS[1]])
    for row in range(12):

        def rest(p: np.ndarray, row: int = row) -> np.ndarray:
            return np.sqrt(weights[row]) * (p[0] + p[1] * SIZES ** -p[2] - errors[row])

        least = min(
            2 * optimize.least_squares(rest, [0.1, 1, c], bounds=bounds, xtol=1e-14, ftol=1e-14).cost
            for c in (0.15, 0.5, 0.95)
        )
        assert mine[row] <= least * 1.001 + 1e-9
    assert (found.limit >= 0).all()
    assert (found.scale >= 0).all()


def test_curves_that_rise_or_are_perfect() -> None:
    found = fit_power_laws(SIZES, [[0.1, 0.2, 0.3, 0.4, 0.5], [0.0] * 5], np.ones(5))
    np.testing.assert_allclose(found.scale, 0)
    np.testing.assert_allclose(found.errors([1000])[:, 0], [0.3, 0.0], atol=1e-9)


@pytest.mark.parametrize(
    ("sizes", "errors", "weights"),
    [([10, 20], [0.4, 0.3], [1, 1]), ([10, 10, 20], [0.4, 0.3, 0.2], 1.0), ([0, 10, 20], [0.4, 0.3, 0.2], 1.0),
     ([5, 10, 20], [0.4, 0.3, 0.2], 0.0), ([5, 10, 20], [0.4, 0.3], 1.0)],
)  # fmt: skip
def test_refusals(sizes: list[float], errors: list[float], weights: float | list[float]) -> None:
    with pytest.raises(UserError, match="three sizes or more"):
        fit_power_laws(sizes, errors, weights if isinstance(weights, list) else np.full(len(errors), weights))
