"""HuberLoss."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3, 4)])

A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 2.0], [6.0, 2.0]])
# The differences are 0.5, 0, -3 and 2.


def test_numbers() -> None:
    check_layer('type: "HuberLoss"', [A, B], [np.array((0.125 + 0 + 2.5 + 1.5) / 2)])


def test_delta() -> None:
    layer = 'type: "HuberLoss" lungo { huber_loss { delta: 2 } }'
    check_layer(layer, [A, B], [np.array((0.125 + 0 + 2 * (3 - 1) + 2) / 2)])


def test_deviations_divide_the_differences_of_each_output() -> None:
    layer = 'type: "HuberLoss" lungo { huber_loss { deviation: 0.25 deviation: 4 } }'
    # 2, 0, -12 and 0.5
    check_layer(layer, [A, B], [np.array((1.5 + 0 + 11.5 + 0.125) / 2)])


@pytest.mark.parametrize("delta", [0.3, 1.0, 100.0])
def test_a_formula_in_float64(delta: float) -> None:
    rng = np.random.default_rng(0)
    a, b, deviation = rng.normal(0, 2, (5, 3)), rng.normal(0, 2, (5, 3)), np.array([0.5, 1, 3])
    d = np.abs(a - b) / deviation
    wanted = np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)).sum() / 5
    options = f"delta: {delta} " + " ".join(f"deviation: {one}" for one in deviation)
    check_layer(f'type: "HuberLoss" lungo {{ huber_loss {{ {options} }} }}', [a, b], [np.array(wanted)])


def test_refusals() -> None:
    refused('type: "HuberLoss"', [(2, 2), (2, 3)], "different sizes", "same number")
    refused('type: "HuberLoss" lungo { huber_loss { delta: 0 } }', [(2, 2), (2, 2)], "delta must be")
    refused('type: "HuberLoss" lungo { huber_loss { deviation: 1 deviation: -1 } }', [(2, 2), (2, 2)], "deviation must")
    three = 'type: "HuberLoss" lungo { huber_loss { deviation: 1 deviation: 1 deviation: 2 } }'
    refused(three, [(2, 2), (2, 2)], "one `deviation` for each output", "once for each")
