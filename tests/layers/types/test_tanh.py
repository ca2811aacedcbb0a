"""TanH."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    check_layer('type: "TanH"', [np.array([[0.0, np.log(3) / 2]])], [np.array([[0.0, 0.5]])])
