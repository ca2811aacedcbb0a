"""Softmax."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, refused

X = np.log(np.array([[1.0, 2.0, 5.0], [3.0, 3.0, 4.0]]))


def test_numbers() -> None:
    check_layer('type: "Softmax"', [X], [np.exp(X) / np.exp(X).sum(1, keepdims=True)])
    check_layer('type: "Softmax" softmax_param { axis: 0 }', [X], [np.exp(X) / np.exp(X).sum(0)])
    refused('type: "Softmax"', [(3,)], "axis 1 is out of range")
