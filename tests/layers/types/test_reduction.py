"""Reduction."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, refused

X = np.array([[[1.0, -2.0], [3.0, 4.0]], [[-5.0, 6.0], [7.0, 8.0]]])


def test_numbers() -> None:
    layer = 'type: "Reduction" reduction_param {{ operation: {} axis: {} coeff: 2 }}'
    check_layer(layer.format("SUM", 0), [X], [np.array(2 * X.sum())])
    check_layer(layer.format("ASUM", 1), [X], [2 * np.abs(X).sum((1, 2))])
    check_layer(layer.format("SUMSQ", -1), [X], [2 * (X * X).sum(2)])
    check_layer(layer.format("MEAN", 1), [X], [2 * X.mean((1, 2))])
    refused(layer.format("SUM", 3), [(2, 3)], "axis 3 is out of range")
