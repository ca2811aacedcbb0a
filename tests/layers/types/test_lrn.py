"""LRN."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("lrn_param { local_size: 3 alpha: 0.5 }", [(2, 4, 3, 3)])

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 7, 3, 4))


def across(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    squares = np.pad(x * x, ((0, 0), (size // 2, size // 2), (0, 0), (0, 0)))
    total = sum(squares[:, shift : shift + x.shape[1]] for shift in range(size))
    return x * (k + alpha / size * total) ** -beta


def within(x: np.ndarray, size: int, alpha: float, beta: float) -> np.ndarray:
    pad = size // 2
    squares = np.pad(x * x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height, width = x.shape[2:]
    total = sum(squares[:, :, i : i + height, j : j + width] for i in range(size) for j in range(size))
    return x * (1 + alpha / size**2 * total) ** -beta


@pytest.mark.parametrize(("size", "beta"), [(5, 0.75), (3, 0.5), (1, 0.6), (9, 0.75), (15, 0.75)])
def test_across_channels(size: int, beta: float) -> None:
    options = f"local_size: {size} alpha: 0.5 beta: {beta} k: 2"
    check_layer(f'type: "LRN" lrn_param {{ {options} }}', [X], [across(X, size, 0.5, beta, 2)])


@pytest.mark.parametrize(("size", "plane"), [(3, (3, 4)), (9, (3, 4)), (5, (1, 1))])
def test_within_channel(size: int, plane: tuple[int, int]) -> None:
    options = f"local_size: {size} alpha: 0.5 beta: 0.75 k: 5 norm_region: WITHIN_CHANNEL"
    x = X[:, :, : plane[0], : plane[1]]
    check_layer(f'type: "LRN" lrn_param {{ {options} }}', [x], [within(x, size, 0.5, 0.75)])


def test_refusals() -> None:
    refused('type: "LRN" lrn_param { local_size: 4 }', [(2, 7, 3, 4)], "local_size must be odd", "use 3 or 5")
    refused('type: "LRN"', [(2, 7)], "4 axes")
