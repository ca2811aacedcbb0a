"""Normalize as five layers of Caffe's own, for a net that goes back to Caffe.

    norm    ->    norm/square (Power 2) -> norm/sum (1x1 Convolution of ones, C -> 1)
                  -> norm/root (Power -0.5, shift eps) -> norm/scale (1x1 Convolution 1 -> C: the scale)
                  -> norm (Eltwise PROD with what norm read)

On blobs of 2 axes InnerProduct replaces the convolutions. Neither Reduction nor Tile is used, which OpenCV's
reader does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.definition.schema import LayerParameter
from caffelungo.layers.traits import CaffeForm

Array = NDArray[Any]


def normalize(param: Any, shape: Sequence[int], whole: bool, eps: float, names: Callable[[str], str]) -> CaffeForm:
    """The five layers for ``param``, a Normalize that reads ``shape`` (of 2 or 4 axes, its first the batch)."""
    old, bottom, channels = str(param.name), param.bottom[0], shape[1]
    whole = whole and any(size != 1 for size in shape[2:])
    plane = tuple(shape[2:]) if whole else (1,) * len(shape[2:])
    square, total, root, scale = (names(part) for part in ("square", "sum", "root", "scale"))
    product = param.top[0] if param.top[0] != bottom else names("product")
    first = LayerParameter(name=square, type="Power", bottom=[bottom], top=[square])
    first.power_param.power = 2
    second = _sums(total, square, 1, plane)
    third = LayerParameter(name=root, type="Power", bottom=[total], top=[root])
    third.power_param.power, third.power_param.shift = -0.5, eps
    fourth = _sums(scale, root, channels, plane)
    if whole:  # from one number a picture back to the plane
        fourth.type = "Deconvolution"
    fifth = LayerParameter(name=old, type="Eltwise", bottom=[bottom, scale], top=[product])
    fifth.eltwise_param.operation = fifth.eltwise_param.PROD

    def blobs(own: list[Array]) -> dict[str, list[Array]]:
        factors = np.broadcast_to(own[0].reshape(-1), (channels,)).astype(np.float32)
        column = factors.reshape(channels, 1, *(1,) * len(plane))
        weights = np.ascontiguousarray(np.broadcast_to(column, (channels, 1, *plane)))
        if whole:
            weights = weights.transpose(1, 0, 2, 3).copy()  # inputs first
        return {total: [np.ones((1, channels, *plane), np.float32)], scale: [weights]}

    moved = f"the scale of `{old}` becomes the weights of `{scale}`"
    return CaffeForm([first, second, third, fourth, fifth], blobs, moved)


def _sums(name: str, bottom: str, units: int, plane: tuple[int, ...]) -> Any:
    """Weighted sums without a bias: of a row of numbers, or over a window of ``plane``."""
    layer = LayerParameter(name=name, bottom=[bottom], top=[name])
    options: Any
    if not plane:
        layer.type = "InnerProduct"
        options = layer.inner_product_param
    else:
        layer.type = "Convolution"
        options = layer.convolution_param
        if plane[0] == plane[1]:
            options.kernel_size.append(plane[0])
        else:
            options.kernel_h, options.kernel_w = plane
    options.num_output, options.bias_term = units, False
    options.weight_filler.type, options.weight_filler.value = "constant", 1
    return layer
