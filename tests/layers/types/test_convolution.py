"""Convolution."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, layer_net, refused, run_net, shape_of

EXAMPLE = Example('convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }')

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(2, 4, 5, 6)), RNG.normal(size=(6, 2, 3, 2)), RNG.normal(size=6)
OPTIONS = "num_output: 6 group: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 2 dilation: 2"


def by_hand(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The sum that defines it: group 2, stride 2x1, pad 1x2, dilation 2."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    top = np.zeros((2, 6, 2, 8))
    for o, i, j in np.ndindex(6, 2, 8):
        patch = padded[:, 2 * (o // 3) : 2 * (o // 3) + 2, 2 * i : 2 * i + 5 : 2, j : j + 3 : 2]
        top[:, o, i, j] = (patch * weight[o]).sum((1, 2, 3)) + bias[o]
    return top


def test_numbers() -> None:
    check_layer(f'type: "Convolution" convolution_param {{ {OPTIONS} }}', [X], [by_hand(X, W, B)], blobs=[W, B])


def test_several_bottoms_without_bias() -> None:
    layer = 'type: "Convolution" convolution_param { num_output: 1 kernel_size: 1 bias_term: false }'
    weight = np.full((1, 4, 1, 1), 0.5)
    check_layer(layer, [X, -X], [X.sum(1, keepdims=True) / 2, -X.sum(1, keepdims=True) / 2], blobs=[weight])


def test_axes_before_the_channels_are_the_batch() -> None:
    layer = 'type: "Convolution" convolution_param { axis: 2 num_output: 2 kernel_size: 3 pad: 1 }'
    weight = np.zeros((2, 5, 3))
    weight[0, :, 1] = 1
    top = np.stack([X.sum(2), np.ones((2, 4, 6))], 2)
    check_layer(layer, [X], [top], blobs=[weight, np.array([0.0, 1.0])])


def test_shapes() -> None:
    layer = 'type: "Convolution" convolution_param { num_output: 96 kernel_size: 11 stride: 4 }'
    assert shape_of(layer, [(10, 3, 227, 227)]) == [(10, 96, 55, 55)]
    layer = 'type: "Convolution" convolution_param { num_output: 7 kernel_size: 3 kernel_size: 2 kernel_size: 1 }'
    assert shape_of(layer, [(1, 2, 5, 6, 7)]) == [(1, 7, 3, 5, 7)]


def caffe_loops(x: np.ndarray, weight: np.ndarray, stride: int, pad: int, dilation: int) -> np.ndarray | None:
    """im2col_cpu and the sum over what it gives, with C's division; None where Caffe has no top."""
    extent = dilation * (weight.shape[2] - 1) + 1
    sizes = [int((size + 2 * pad - extent) / stride) + 1 for size in x.shape[2:]]
    if min(sizes) < 1:
        return None
    top = np.zeros((len(x), len(weight), *sizes))
    for row, column in np.ndindex(*sizes):
        for i, j in np.ndindex(*weight.shape[2:]):
            h, w = row * stride - pad + i * dilation, column * stride - pad + j * dilation
            if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
                top[:, :, row, column] += x[:, :, h, w] @ weight[:, :, i, j].T
    return top


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize(("pad", "dilation"), [(0, 1), (1, 2)])
def test_any_plane_is_the_original_s(kernel: int, stride: int, pad: int, dilation: int) -> None:
    weight = RNG.normal(size=(3, 2, kernel, kernel))
    options = f"num_output: 3 bias_term: false kernel_size: {kernel} stride: {stride} pad: {pad} dilation: {dilation}"
    layer = f'type: "Convolution" convolution_param {{ {options} }}'
    for height, width in np.ndindex(6, 6):
        x = RNG.normal(size=(1, 2, height + 1, width + 1))
        top = caffe_loops(x, weight, stride, pad, dilation)
        if top is None:
            refused(layer, [x.shape], "impossible shape", "larger input")
        else:
            run = run_net(layer_net(layer, [x.shape]), {"x0": x}, {("l", 0): weight})
            np.testing.assert_allclose(run.data["y0"], top, rtol=1e-4, atol=1e-5)


def test_everything_asked_of_a_kernel_that_reaches_beyond_the_plane() -> None:
    x, weight = RNG.normal(size=(2, 2, 2, 4)), RNG.normal(size=(3, 2, 3, 3))
    top = caffe_loops(x, weight, 2, 0, 1)
    assert top is not None
    assert top.shape == (2, 3, 1, 1)
    layer = 'type: "Convolution" convolution_param { num_output: 3 bias_term: false kernel_size: 3 stride: 2 }'
    check_layer(layer, [x], [top], blobs=[weight])


def test_refusals() -> None:
    def conv(options: str, shape: tuple[int, ...], what: str, remedy: str = "") -> None:
        refused(f'type: "Convolution" convolution_param {{ {options} }}', [shape], what, remedy)

    conv("num_output: 2", (1, 3, 5, 5), "`kernel_size` is missing", "kernel_size: 3")
    conv("kernel_size: 3", (1, 3, 5, 5), "`num_output` is missing", "number of filters")
    conv("num_output: 2 kernel_size: 3 kernel_h: 3", (1, 3, 5, 5), "both `kernel_size` and `kernel_h`", "keep")
    conv("num_output: 2 kernel_h: 3", (1, 3, 5, 5), "at least 1 on every axis")
    conv("num_output: 2 kernel_size: 3 stride: 0", (1, 3, 5, 5), "stride must be at least 1")
    conv("num_output: 3 kernel_size: 3 group: 2", (1, 4, 5, 5), "num_output 3 is not divisible by group 2")
    conv("num_output: 4 kernel_size: 3 group: 2", (1, 3, 5, 5), "3 channels, which group 2 does not divide")
    conv("num_output: 4 kernel_size: 6", (1, 3, 5, 5), "impossible shape", "larger input")
    conv("num_output: 4 kernel_size: 3", (1, 3), "1 to 3 spatial axes", "InnerProduct")
    conv("num_output: 4 kernel_size: 3 kernel_size: 3 kernel_size: 3", (1, 3, 5, 5), "3 values for 2 spatial axes")
    conv("num_output: 4 kernel_h: 3 kernel_w: 3", (1, 3, 5), "2 values for 1 spatial axis", "give one value")
