"""HardSigmoid."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer

X = np.array([[-4.0, -1.0, 0.0, 1.5, 4.0]])


def test_numbers() -> None:
    check_layer('type: "HardSigmoid"', [X], [np.array([[0.0, 0.3, 0.5, 0.8, 1.0]])])


def test_its_own_options() -> None:
    layer = 'type: "HardSigmoid" lungo { hard_sigmoid { alpha: 0.4 beta: 0.25 } }'
    check_layer(layer, [X], [np.array([[0.0, 0.0, 0.25, 0.85, 1.0]])])
