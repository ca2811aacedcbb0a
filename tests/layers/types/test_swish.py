"""Swish."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    x = np.array([[-1.0, 0.5, 2.0]])
    check_layer('type: "Swish"', [x], [x / (1 + np.exp(-x))])
    check_layer('type: "Swish" swish_param { beta: 1.5 }', [x], [x / (1 + np.exp(-1.5 * x))])
