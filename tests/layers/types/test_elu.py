"""ELU."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    x = np.array([[-1.0, 0.5, 2.0]])
    check_layer('type: "ELU" elu_param { alpha: 1.5 }', [x], [np.array([[1.5 * (np.exp(-1) - 1), 0.5, 2.0]])])
