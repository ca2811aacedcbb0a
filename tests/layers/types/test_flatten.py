"""Flatten."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, refused

X = np.arange(24.0).reshape(2, 3, 2, 2)


def test_numbers() -> None:
    check_layer('type: "Flatten"', [X], [X.reshape(2, 12)])
    check_layer('type: "Flatten" flatten_param { axis: -3 end_axis: 2 }', [X], [X.reshape(2, 6, 2)])
    check_layer('type: "Flatten" flatten_param { axis: 0 }', [X], [X.reshape(24)])


def test_refusals() -> None:
    refused('type: "Flatten" flatten_param { axis: 2 end_axis: 1 }', [(2, 3, 4)], "end_axis comes before", "2 or more")
    refused('type: "Flatten"', [(2,)], "axis 1 is out of range")
