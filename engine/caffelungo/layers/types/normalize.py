"""Normalize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import BlobSpec, CaffeForm, Layer, LayerError, Shape, State, constant, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
class Normalize(Layer):
    """Divides each sample by its L2 norm and multiplies by a learned scale: y = scale * x / sqrt(sum of x^2 + eps).

    The sum goes over the channels at each position, or over the whole sample with across_spatial.
    Bottom and top: N x C x any. Blob: scale (C), or one number with channel_shared; starts at 1.
    Source: SSD's NormalizeLayer; Liu et al. 2015 (ParseNet), section 3.3.
    """

    type = "Normalize"
    options_field = "norm_param"
    neuron = True
    per_channel = True
    zero_stays = True
    new_unit_rate = (1.0, 0.0)
    """The scale starts where it should be and only has to follow: the rate of pre-trained layers; decay would pull it
    towards zero and the features with it."""
    operations_each = 4
    drawn_inside = True
    blob_names = ("scale",)

    def setup(self) -> None:
        self.whole, self.eps = bool(self.options.across_spatial), float(self.options.eps)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if len(bottoms[0]) < 2:
            raise self.fail(
                "the bottom must have at least 2 axes (batch, channels)",
                received=f"bottom {shape_text(bottoms[0])}",
                remedy="use Reshape before",
            )
        return [bottoms[0]]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        options = self.options
        filler = options.scale_filler if options.HasField("scale_filler") else constant(1)
        return [BlobSpec("scale", () if options.channel_shared else (bottoms[0][1],), filler)]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> nn.Module:
        from caffelungo.layers import onnx_forms

        rank, scale = len(bottoms[0]), blobs[0]
        shape = (1,) * rank if scale.dim() == 0 else (1, -1, *(1,) * (rank - 2))
        if self.eps == 0 and not self.whole:
            return onnx_forms.LpNormalization(scale, shape)
        return onnx_forms.L2Norm(range(1, rank) if self.whole else [1], self.eps, scale, shape)

    def caffe_form(self, bottoms: Sequence[Shape | None], names: Callable[[str], str]) -> CaffeForm:
        from caffelungo.layers import caffe_forms

        shape = bottoms[0]
        if shape is None or len(shape) not in (2, 4) or None in shape[1:]:
            raise LayerError(
                "(Normalize) can be rewritten for blobs of 2 or 4 axes only",
                f"bottom {shape_text(shape)}",
                "give the net's input a shape, or put a Reshape before it",
            )
        return caffe_forms.normalize(self.param, [size or 0 for size in shape], self.whole, self.eps, names)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x = full(bottoms[0])
        axes = tuple(range(1, x.dim())) if self.whole else (1,)
        norm = (x.square().sum(axes, keepdim=True) + self.eps).sqrt()
        scale = blobs[0].reshape(-1, *(1,) * (x.dim() - 2))
        return [(x / norm * scale).to(bottoms[0].dtype)]
