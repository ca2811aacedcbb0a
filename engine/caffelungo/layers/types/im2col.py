"""Im2col."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import windows
from caffelungo.layers.base import Arity, BlobSpec, Shape, State, shape_text
from caffelungo.layers.convolving import Convolving
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Im2col(Convolving):
    """The patches that a convolution multiplies with its filters, one behind the other along the channels.

    Bottom: N x C x H x W. Top: N x (C kernel_h kernel_w) x the size that the convolution's top would have.
    Caffe: Im2colLayer.
    """

    type = "Im2col"
    bottoms = Arity(1)
    tops = Arity(1)
    fixed_sizes = True
    bvlc = True

    def setup(self) -> None:
        self.num_output = self.group = 1
        self.channel_axis, self.bias = int(self.options.axis), False
        self.read_window()

    def size(self, size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
        return windows.convolved(size, kernel, stride, pad, dilation)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        axis, axes, (kernel, *_) = self.layout(bottoms)
        if (axis, axes) != (1, 2):
            raise self.fail(
                "the bottom must have 4 axes (batch, channels, height, width)",
                received=f"bottom {shape_text(bottoms[0])}",
                remedy="use Reshape before",
            )
        (top,) = super().shapes(bottoms)
        channels = bottoms[0][1]
        return [(top[0], None if channels is None else channels * kernel[0] * kernel[1], *top[2:])]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        return ()

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        x = bottoms[0]
        kernel, stride, pad, dilation = (
            windows.each(values, 2) for values in (self.kernel, self.stride, self.pad, self.dilation)
        )
        sizes = [self.size(*parts) for parts in zip(x.shape[2:], kernel, stride, pad, dilation, strict=True)]
        x = windows.reached(x, kernel, pad, dilation)
        return [F.unfold(x, kernel, dilation, pad, stride).unflatten(2, sizes)]
