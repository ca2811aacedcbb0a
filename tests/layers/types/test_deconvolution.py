"""Deconvolution."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused, shape_of

EXAMPLE = Example('convolution_param { num_output: 4 kernel_size: 2 weight_filler { type: "xavier" } }')

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(2, 2, 3, 4)), RNG.normal(size=(2, 3, 2, 3)), RNG.normal(size=3)


def by_hand(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Each value of the bottom spreads a kernel over the top: stride 2, pad 1."""
    top = np.zeros((2, 3, 6, 9))
    for i, j in np.ndindex(3, 4):
        top[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3] += np.einsum("nc,cohw->nohw", x[:, :, i, j], weight)
    return top[:, :, 1:-1, 1:-1] + bias.reshape(1, -1, 1, 1)


def test_numbers() -> None:
    layer = 'type: "Deconvolution" convolution_param { num_output: 3 kernel_h: 2 kernel_w: 3 stride: 2 pad: 1 }'
    check_layer(layer, [X], [by_hand(X, W, B)], blobs=[W, B])


def test_a_plane_of_one_place_and_a_pad_that_leaves_the_middle() -> None:
    layer = (
        'type: "Deconvolution" convolution_param { num_output: 3 kernel_h: 3 kernel_w: 5 stride: 2 pad_h: 1 pad_w: 2 }'
    )
    x, weight = RNG.normal(size=(2, 2, 1, 1)), RNG.normal(size=(2, 3, 3, 5))
    top = np.einsum("nc,co->no", x[:, :, 0, 0], weight[:, :, 1, 2]) + B
    check_layer(layer, [x], [top[:, :, None, None]], blobs=[weight, B])


def test_shapes_and_refusals() -> None:
    layer = 'type: "Deconvolution" convolution_param { num_output: 4 group: 4 kernel_size: 4 stride: 2 pad: 1 }'
    assert shape_of(layer, [(1, 4, 10, 20)]) == [(1, 4, 20, 40)]
    refused(layer, [(1, 3, 10, 20)], "group 4 does not divide")
    refused('type: "Deconvolution" convolution_param { num_output: 4 }', [(1, 3, 9, 9)], "`kernel_size` is missing")
