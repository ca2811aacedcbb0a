"""Reshape."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("reshape_param { shape { dim: 0 dim: -1 } }")

X = np.arange(24.0).reshape(2, 3, 4)


def reshape(dims: str, more: str = "") -> str:
    text = " ".join(f"dim: {size}" for size in dims.split())
    return f'type: "Reshape" reshape_param {{ shape {{ {text} }} {more} }}'


def test_numbers() -> None:
    check_layer(reshape("0 -1"), [X], [X.reshape(2, 12)])
    check_layer(reshape("6 4"), [X], [X.reshape(6, 4)])
    check_layer(reshape("2 2", "axis: 2"), [X], [X.reshape(2, 3, 2, 2)])
    check_layer(reshape("1", "axis: -1 num_axes: 0"), [X], [X.reshape(2, 3, 4, 1)])
    check_layer(reshape("-1", "axis: 1 num_axes: 2"), [X], [X.reshape(2, 12)])


def test_refusals() -> None:
    refused(reshape("5 -1"), [(2, 3, 4)], "another number of values", "-1 for one of them")
    refused(reshape("5 5"), [(2, 3, 4)], "impossible shape")
    refused(reshape("-1 -1"), [(2, 3, 4)], "is a size, 0", "keep one -1")
    refused(reshape("0 0 0 0"), [(2, 12)], "does not have", "write the size")
    refused(reshape("4", "axis: 1 num_axes: 3"), [(2, 3, 4)], "out of range")
