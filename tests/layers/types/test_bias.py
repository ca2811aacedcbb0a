"""Bias."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, refused

X = np.arange(24.0).reshape(2, 3, 4)


def test_one_bias_a_channel() -> None:
    check_layer('type: "Bias"', [X], [X + np.array([[1.0], [2.0], [3.0]])], blobs=[np.array([1.0, 2.0, 3.0])])


def test_a_second_bottom() -> None:
    bias = np.arange(12.0).reshape(3, 4)
    check_layer('type: "Bias"', [X, bias], [X + bias])


def test_one_number() -> None:
    check_layer('type: "Bias" bias_param { num_axes: 0 }', [X], [X + 5], blobs=[np.array(5.0)])


def test_refusals() -> None:
    refused('type: "Bias" bias_param { num_axes: 3 }', [(2, 3, 4)], "num_axes 3 from axis 1", "at most 2")
    refused('type: "Bias"', [(2, 3, 4), (4,)], "bottom 1 does not fit", "sizes of those axes")
