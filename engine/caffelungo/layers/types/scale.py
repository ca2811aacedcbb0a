"""Scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import broadcast
from caffelungo.layers.base import Arity, BlobSpec, Layer, Shape, State, constant
from caffelungo.layers.registry import register
from caffelungo.layers.shapes import per_sample

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
class Scale(Layer):
    """Multiplies the bottom by a learned scale, or by bottom 1, and adds a learned bias if bias_term.

    The scale covers num_axes axes of bottom 0 from `axis` (-1: all that follow; 0: one number) and is repeated over the
    others; bottom 1 says so by its own shape. Top: as bottom 0.
    Blobs: scale (unless there is a bottom 1), bias (if bias_term), both of the shape of the scale.
    Caffe: ScaleLayer.
    """

    type = "Scale"
    bottoms = Arity(1, 2)
    options_field = "scale_param"
    overwritable = True
    neuron = True
    affine = True
    unit_end = True
    per_channel = True
    channels_apart = True
    drawn_inside = True
    blob_names = ("scale", "bias")
    bvlc = True

    def setup(self) -> None:
        self.first = int(self.options.axis)
        self.bias = bool(self.options.bias_term)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        broadcast.covered(self, bottoms)
        return [bottoms[0]]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        shape = broadcast.covered(self, bottoms)
        options = self.options
        filler = options.filler if options.HasField("filler") else constant(1)
        scale = [BlobSpec("scale", shape, filler)] if len(bottoms) == 1 else []
        return [*scale, BlobSpec("bias", shape, options.bias_filler)] if self.bias else scale

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        if len(bottoms) == 1:
            return self.behind_batch(self.first, bottoms)
        return self.first == 0  # bottom 1 holds values for each sample only if it begins where the batch does

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        return (per_sample(bottoms[0]) or 0) * (2 if self.bias else 1)

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> nn.Module | None:
        from caffelungo.layers import onnx_forms

        return onnx_forms.ScaleAndBias(blobs, len(bottoms[0]), self.first) if len(bottoms) == 1 else None

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        x = bottoms[0]
        factors = [*bottoms[1:], *blobs]
        scale, *bias = (broadcast.beside(factor, x, self.first) for factor in factors)
        return [torch.addcmul(bias[0], x, scale) if bias else x * scale]
