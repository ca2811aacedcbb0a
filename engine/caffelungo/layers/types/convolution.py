"""Convolution."""

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
class Convolution(Convolving):
    """Cross-correlation with learned filters: top[n, o] = bias[o] + sum over c of weight[o, c] * bottom[n, c].

    Bottom: N x C x spatial (1 to 3 axes; several bottoms of one shape share the weights). Top: N x num_output x
    floor((size + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1 on each axis. A kernel that reaches beyond the
    padded plane by less than the stride has one place, and reads 0 there.
    Blobs: weight (num_output, C / group, kernel...), bias (num_output).
    Caffe: ConvolutionLayer.
    """

    type = "Convolution"
    classifies = True
    depth = True
    weights_depend_on = ("kernel", "stride", "pad", "dilation", "group")
    bvlc = True

    def weight_shape(self, channels: int | None, kernel: Ints) -> Shape:
        return (self.num_output, None if channels is None else channels // self.group, *kernel)

    def size(self, size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
        return windows.convolved(size, kernel, stride, pad, dilation)

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        top = per_sample(tops[0]) or 0
        return operation_counts.weighted(blobs, top // self.num_output, top)

    def caption(self, blobs: Sequence[Shape]) -> str:
        return windows.caption(blobs)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        weight, bias = blobs[0], blobs[1] if self.bias else None
        axes = weight.dim() - 2
        convolve = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
        stride, pad = windows.each(self.stride, axes), windows.each(self.pad, axes)
        dilation = windows.each(self.dilation, axes)
        tops = []
        for x in bottoms:
            # Axes before the channels are one batch; Caffe's `axis` says how many there are.
            batch = x.shape[: x.dim() - axes - 1]
            flat = x if len(batch) == 1 else x.reshape(-1, *x.shape[len(batch) :])
            flat = windows.reached(flat, weight.shape[2:], pad, dilation)
            y = convolve(flat, weight, bias, stride, pad, dilation, self.group)
            tops.append(y if len(batch) == 1 else y.reshape(*batch, *y.shape[1:]))
        return tops
