"""LRN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer, OnnxOperator, Shape, State, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register
from caffelungo.layers.shapes import per_sample

if TYPE_CHECKING:
    from torch import Tensor


@register
class LRN(Layer):
    """Local response normalization over local_size neighbours: y = x * (k + alpha / n * sum of x^2) ** -beta.

    ACROSS_CHANNELS: the neighbours are n = local_size channels. WITHIN_CHANNEL: a square of local_size x local_size in
    the plane, n its size, and k is 1 whatever the file says.
    Bottom and top: N x C x H x W.
    Caffe: LRNLayer; Krizhevsky et al. 2012, section 3.3.
    """

    type = "LRN"
    options_field = "lrn_param"
    overwritable = True
    drawn_inside = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.size = int(options.local_size)
        self.alpha, self.beta, self.k = float(options.alpha), float(options.beta), float(options.k)
        self.within = options.norm_region == options.WITHIN_CHANNEL
        self.channels_apart = self.within
        if self.size % 2 == 0:
            raise self.fail(
                "local_size must be odd, so that the window is centred on a value",
                received=self.size,
                remedy=f"use {max(self.size - 1, 1)} or {self.size + 1}",
                path="local_size",
            )

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if len(bottoms[0]) != 4:
            raise self.fail(
                "the bottom must have 4 axes (batch, channels, height, width)",
                received=f"bottom {shape_text(bottoms[0])}",
                remedy="use Reshape before",
            )
        return [bottoms[0]]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        window = self.size * self.size if self.within else self.size
        return (per_sample(bottoms[0]) or 0) * (2 * window + 3)

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> OnnxOperator | None:
        """ONNX's LRN, which divides alpha by the size as Caffe does; it has no window within a channel (None)."""
        if self.within:
            return None
        return OnnxOperator("LRN", {"size": self.size, "alpha": self.alpha, "beta": self.beta, "bias": self.k})

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        x = bottoms[0]
        if self.within:
            wide = full(x)
            mean = F.avg_pool2d(wide * wide, self.size, 1, self.size // 2)
            return [(wide * (1 + self.alpha * mean).pow(-self.beta)).to(x.dtype)]
        from caffelungo.layers.response_normalization import across_channels

        return [across_channels(x, self.size, self.alpha, self.beta, self.k)]
