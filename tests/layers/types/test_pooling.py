"""Pooling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, layer_net, refused, run_net, shape_of

EXAMPLE = Example("pooling_param { kernel_size: 2 }")

RNG = np.random.default_rng(0)
LOWEST = -np.finfo(np.float32).max


def by_hand(
    x: np.ndarray, kernel: int, stride: int, pad: int, mean: bool, ceil: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Caffe's loops: the window clipped as it clips it, the first of equal maxima; indices or -1."""
    sizes = []
    for size in x.shape[2:]:
        room = (size + 2 * pad - kernel) / stride
        out = int(np.ceil(room) if ceil else np.floor(room)) + 1
        sizes.append(out - 1 if pad and (out - 1) * stride >= size + pad else out)
    top, at = np.zeros((*x.shape[:2], *sizes)), np.full((*x.shape[:2], *sizes), -1.0)
    for n, c, i, j in np.ndindex(*top.shape):
        h, w = i * stride - pad, j * stride - pad
        h1, w1 = min(h + kernel, x.shape[2] + pad), min(w + kernel, x.shape[3] + pad)
        area = (h1 - h) * (w1 - w)
        h0, w0, h1, w1 = max(h, 0), max(w, 0), min(h1, x.shape[2]), min(w1, x.shape[3])
        window = x[n, c, h0:h1, w0:w1]
        if mean:
            top[n, c, i, j] = window.sum() / area if window.size else 0
        elif window.size:
            best = int(window.argmax())
            top[n, c, i, j] = window.flat[best]
            at[n, c, i, j] = (h0 + best // window.shape[1]) * x.shape[3] + w0 + best % window.shape[1]
        else:
            top[n, c, i, j] = LOWEST
    return top, at


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 5), st.integers(1, 6), st.integers(0, 4), st.booleans(), st.booleans(),
)  # fmt: skip
def test_any_window_is_the_original_s(
    plane: tuple[int, int], kernel: int, stride: int, pad: int, mean: bool, ceil: bool
) -> None:
    assume(pad < kernel)
    assume(kernel <= min(plane) + 2 * pad + (stride - 1 if ceil else 0))
    x = RNG.normal(size=(1, 2, *plane))
    top, at = by_hand(x, kernel, stride, pad, mean, ceil)
    options = f"pool: {'AVE' if mean else 'MAX'} kernel_size: {kernel} stride: {stride} pad: {pad}"
    options += "" if ceil else " round_mode: FLOOR"
    text = layer_net(f'type: "Pooling" pooling_param {{ {options} }}', [x.shape], 1 if mean else 2)
    run = run_net(text, {"x0": x}, {})
    np.testing.assert_allclose(run.data["y0"], top.astype(np.float32), rtol=1e-5, atol=1e-6)
    if not mean:
        np.testing.assert_array_equal(run.data["y1"], at)


@pytest.mark.parametrize(
    ("kernel", "stride", "pad"),
    [(3, 2, 0), (2, 2, 1), (3, 1, 2), (2, 3, 0), (9, 3, 0), (14, 4, 2)],
    ids=["plain", "pad", "wide pad", "gaps", "larger than the plane", "larger than the padded plane"],
)
def test_everything_asked_of_a_layer(kernel: int, stride: int, pad: int) -> None:
    x = RNG.normal(size=(2, 3, 8, 7))
    for method in ("MAX", "AVE"):
        top, _ = by_hand(x, kernel, stride, pad, method == "AVE")
        options = f"pool: {method} kernel_size: {kernel} stride: {stride} pad: {pad}"
        check_layer(f'type: "Pooling" pooling_param {{ {options} }}', [x], [top.astype(np.float32)])


def test_the_whole_plane() -> None:
    x = RNG.normal(size=(2, 3, 4, 5))
    layer = 'type: "Pooling" pooling_param {{ pool: {} global_pooling: true }}'
    check_layer(layer.format("AVE"), [x], [x.mean((2, 3), keepdims=True)])
    check_layer(layer.format("MAX"), [x], [x.max((2, 3), keepdims=True)])


def test_shapes_round_up() -> None:
    assert shape_of('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }', [(1, 96, 112, 112)]) == [
        (1, 96, 56, 56)
    ]


def test_refusals() -> None:
    def pool(options: str, what: str, remedy: str = "", tops: int = 1) -> None:
        refused(f'type: "Pooling" pooling_param {{ {options} }}', [(1, 2, 5, 5)], what, remedy, tops)

    pool("", "kernel size is missing", "kernel_size:")
    pool("kernel_size: 2 kernel_h: 2", "both `kernel_size` and `kernel_h`", "keep `kernel_size`")
    pool("kernel_h: 2", "must be given together", "add the other one")
    pool("kernel_size: 2 stride: 0", "stride must be at least 1")
    pool("kernel_size: 2 pad: 2", "pad must be smaller than the kernel", "smaller pad")
    pool("kernel_size: 6", "impossible shape", "global_pooling")
    pool("kernel_size: 6 stride: 2 round_mode: FLOOR", "impossible shape", "global_pooling")
    pool("kernel_size: 8 stride: 3", "impossible shape", "at least 6x6")
    pool("global_pooling: true kernel_size: 2", "no kernel size may be given", "remove")
    pool("global_pooling: true stride: 2", "pad 0 and stride 1")
    pool("kernel_size: 2 pool: STOCHASTIC", "STOCHASTIC", "MAX or AVE")
    pool("kernel_size: 2 pool: AVE", "only MAX pooling has a second top", "second `top:`", 2)
    refused('type: "Pooling" pooling_param { kernel_size: 2 }', [(2, 3)], "4 axes")
