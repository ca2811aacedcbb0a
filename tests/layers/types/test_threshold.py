"""Threshold."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer


def test_numbers() -> None:
    check_layer(
        'type: "Threshold" threshold_param { threshold: 2 }', [np.array([[1.0, 2.0, 3.0]])], [np.array([[0, 0, 1]])]
    )
