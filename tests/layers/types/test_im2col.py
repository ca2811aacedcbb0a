"""Im2col."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("convolution_param { kernel_size: 2 }")


def test_numbers() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    want = np.stack([x[:, :, i : i + 3, j : j + 3] for i in range(2) for j in range(3)], 2)
    layer = 'type: "Im2col" convolution_param { kernel_h: 2 kernel_w: 3 }'
    check_layer(layer, [x], [want.reshape(2, 18, 3, 3)])


def test_a_kernel_that_reaches_beyond_the_plane_reads_zeros() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 2, 5))
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)))
    want = np.stack([padded[:, :, :, j : j + 3] for j in (0, 2)], -1)  # N C kh kw places
    layer = 'type: "Im2col" convolution_param { kernel_size: 3 stride: 2 }'
    check_layer(layer, [x], [want.reshape(2, 27, 1, 2)])


def test_refusals() -> None:
    refused('type: "Im2col"', [(1, 2, 3, 3)], "`kernel_size` is missing")
    refused('type: "Im2col" convolution_param { kernel_size: 4 }', [(1, 2, 3, 3)], "impossible shape")
    refused('type: "Im2col" convolution_param { kernel_size: 2 }', [(1, 2, 3)], "4 axes")
