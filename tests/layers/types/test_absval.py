"""AbsVal."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    check_layer('type: "AbsVal"', [np.array([[-2.0, 3.0]])], [np.array([[2.0, 3.0]])])
