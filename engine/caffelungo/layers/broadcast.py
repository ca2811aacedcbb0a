"""Scale and bias along some axes of a bottom: which axes they cover, and how they are laid beside it.

Caffe: ScaleLayer and BiasLayer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer, Shape, shape_text
from caffelungo.layers.precision import like
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor


def covered(layer: Layer, bottoms: Sequence[Shape]) -> Shape:
    """Shape of the scale or bias: that of bottom 1, or the axes that `axis` and `num_axes` name; else LayerError."""
    shape, options = bottoms[0], layer.options
    if len(bottoms) == 1:
        axis, axes = layer.axis(int(options.axis), len(shape)), int(options.num_axes)
        if axes < -1 or axis + axes > len(shape):
            raise layer.fail(
                f"num_axes {axes} from axis {axis} is out of range for a bottom with {counted(len(shape), 'axis')}",
                received=f"bottom {shape_text(shape)}, axis: {options.axis}, num_axes: {axes}",
                remedy=f"use -1 for all axes from {axis} on, or at most {len(shape) - axis}",
                path="num_axes" if options.HasField("num_axes") else "axis",
            )
        return shape[axis:] if axes == -1 else shape[axis : axis + axes]
    factor = bottoms[1]
    axis = layer.axis(int(options.axis), len(shape)) if factor else 0
    part = shape[axis : axis + len(factor)]
    if len(part) != len(factor) or any(a != b for a, b in zip(part, factor, strict=True) if a and b):
        raise layer.fail(
            f"bottom 1 does not fit the axes of bottom 0 from axis {axis} on",
            received=f"{shape_text(shape)} and {shape_text(factor)}",
            remedy="give bottom 1 the sizes of those axes, or change `axis`",
            path="axis" if options.HasField("axis") else "",
        )
    return factor


def beside(factor: Tensor, x: Tensor, axis: int) -> Tensor:
    """``factor``, whose axes are those of ``x`` from ``axis`` on, with axes of size 1 after them, in x's precision."""
    after = x.dim() - axis % x.dim() - factor.dim() if factor.dim() else 0
    return like(factor.reshape((*factor.shape, *(1,) * after)), x)
