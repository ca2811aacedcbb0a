"""Split."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    x = np.array([[1.0, 2.0]])
    check_layer('type: "Split"', [x], [x, x, x])
