"""BNLL."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    check_layer('type: "BNLL"', [np.array([[0.0, 50.0, -1.0]])], [np.array([[np.log(2), 50.0, np.log1p(np.exp(-1))]])])
