"""Sigmoid."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    check_layer('type: "Sigmoid"', [np.array([[0.0, np.log(3)]])], [np.array([[0.5, 0.75]])])
