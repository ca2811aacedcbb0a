"""Deconvolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import operation_counts, windows
from caffelungo.layers.base import Shape, State
from caffelungo.layers.convolving import Convolving
from caffelungo.layers.registry import register
from caffelungo.layers.shapes import per_sample
from caffelungo.layers.windows import Ints

if TYPE_CHECKING:
    from torch import Tensor


@register
class Deconvolution(Convolving):
    """Transposed convolution: what Convolution's backward pass does to a gradient, applied to the bottom.

    Bottom: N x C x spatial (1 to 3 axes). Top: N x num_output x
    stride (size - 1) + dilation (kernel - 1) + 1 - 2 pad on each axis.
    Blobs: weight (C, num_output / group, kernel...), bias (num_output).
    Caffe: DeconvolutionLayer.
    """

    type = "Deconvolution"
    depth = True
    bvlc = True

    def weight_shape(self, channels: int | None, kernel: Ints) -> Shape:
        return (channels, self.num_output // self.group, *kernel)

    def size(self, size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
        return windows.deconvolved(size, kernel, stride, pad, dilation)

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        channels = (bottoms[0][1] if len(bottoms[0]) > 1 else 1) or 1
        return operation_counts.weighted(blobs, (per_sample(bottoms[0]) or 0) // channels, per_sample(tops[0]) or 0)

    def caption(self, blobs: Sequence[Shape]) -> str:
        return windows.caption(blobs)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        weight, bias = blobs[0], blobs[1] if self.bias else None
        axes = weight.dim() - 2
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[axes - 1]
        stride, pad = windows.each(self.stride, axes), windows.each(self.pad, axes)
        dilation = windows.each(self.dilation, axes)
        tops = []
        for x in bottoms:
            batch = x.shape[: x.dim() - axes - 1]
            flat = x if len(batch) == 1 else x.reshape(-1, *x.shape[len(batch) :])
            y = convolve(flat, weight, bias, stride, pad, 0, self.group, dilation)
            tops.append(y if len(batch) == 1 else y.reshape(*batch, *y.shape[1:]))
        return tops
