"""Sliding windows: kernel, stride, pad and dilation of convolutions as the file gives them, and sizes that follow.

Caffe: BaseConvolutionLayer::LayerSetUp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer
from caffelungo.layers.shapes import Shape, shape_text
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

Ints = tuple[int, ...]


def given(layer: Layer, name: str, short: str, default: int | None) -> Ints:
    """One value for all axes or one an axis, from ``name`` (repeated) or ``<short>_h`` and ``<short>_w``."""
    options = layer.options
    values = tuple(int(value) for value in getattr(options, name))
    pair = [f"{short}_h", f"{short}_w"] if short else []
    written = [field for field in pair if options.HasField(field)]
    if written and values:
        raise layer.fail(
            f"both `{name}` and `{written[0]}` are given",
            received=f"{name}: {values[0]}, {written[0]}: {getattr(options, written[0])}",
            remedy=f"keep `{name}`, or `{pair[0]}` and `{pair[1]}`",
            path=written[0],
        )
    if written:
        values = tuple(int(getattr(options, field)) for field in pair)
    if values:
        return values
    if default is None:
        raise layer.fail(f"`{name}` is missing", remedy=f"add a line such as `{name}: 3`")
    return (default,)


def place(layer: Layer, name: str, short: str) -> str:
    """The field that says ``name``: the repeated one's first value, the first of the pair, or none."""
    if getattr(layer.options, name):
        return f"{name}.0"
    pair = (f"{short}_h", f"{short}_w") if short else ()
    return next((field for field in pair if layer.options.HasField(field)), "")


def positive(layer: Layer, values: Ints, name: str, short: str) -> Ints:
    """``values`` if all are above 0, as one of a pair is not that was left out; else LayerError."""
    if min(values) < 1:
        raise layer.fail(
            f"`{name}` must be at least 1 on every axis",
            received=_text(values),
            remedy="write a value of 1 or more",
            path=place(layer, name, short),
        )
    return values


def spread(layer: Layer, values: Ints, axes: int, name: str, short: str) -> Ints:
    """``values`` as one value for each of ``axes`` spatial axes; LayerError when their number is another."""
    if len(values) not in (1, axes):
        raise layer.fail(
            f"`{name}` has {counted(len(values), 'value')} for {counted(axes, 'spatial axis')}",
            received=_text(values),
            remedy=f"give one value, or {axes}",
            path=place(layer, name, short),
        )
    return each(values, axes)


def each(values: Ints, axes: int) -> Ints:
    """``values`` as one value an axis, unchecked: for ``compute``, after ``spread`` has checked it."""
    return values * axes if len(values) == 1 else values


def extent(kernel: int, dilation: int) -> int:
    """How many rows a dilated kernel covers."""
    return dilation * (kernel - 1) + 1


def convolved(size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
    """Size of a convolution's top along one axis; below 1 when the kernel does not fit.

    Caffe divides as C does, towards 0: a kernel that reaches beyond the padded plane by less than the stride has one
    place, where im2col reads 0 beyond the plane.
    """
    if size is None:
        return None
    room = size + 2 * pad - extent(kernel, dilation)
    return (room // stride if room >= 0 else -(-room // stride)) + 1


def beyond(sizes: Ints, kernel: Ints, pad: Ints, dilation: Ints) -> Ints:
    """By how much a kernel reaches beyond the padded plane on each axis; 0 where it fits."""
    axes = zip(sizes, kernel, pad, dilation, strict=True)
    return tuple(max(0, extent(k, d) - size - 2 * p) for size, k, p, d in axes)


def reached(x: Tensor, kernel: Ints, pad: Ints, dilation: Ints) -> Tensor:
    """``x`` with zeros behind its spatial axes as far as the kernel reaches ``beyond`` them; else ``x`` itself."""
    import torch.nn.functional as F

    more = beyond(tuple(x.shape[-len(kernel) :]), kernel, pad, dilation)
    return F.pad(x, [side for end in reversed(more) for side in (0, end)]) if any(more) else x


def deconvolved(size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
    """Size of a deconvolution's top along one axis."""
    return None if size is None else stride * (size - 1) + extent(kernel, dilation) - 2 * pad


def _text(values: Ints) -> str:
    return ", ".join(map(str, values))


def caption(blobs: Sequence[Shape]) -> str:
    """The size of the window of a layer whose first blob is (units, channels, sizes...), for a drawing."""
    size = blobs[0][2:] if blobs else ()
    return shape_text(size) if size else ""
