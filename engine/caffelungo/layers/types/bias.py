"""Bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import broadcast
from caffelungo.layers.base import Arity, BlobSpec, Layer, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Bias(Layer):
    """Adds a learned bias, or bottom 1, to the bottom.

    The bias covers num_axes axes of bottom 0 from `axis` (-1: all that follow; 0: one number) and is repeated over the
    others; bottom 1 says so by its own shape. Top: as bottom 0. Blob: bias, unless there is a bottom 1.
    Caffe: BiasLayer.
    """

    type = "Bias"
    bottoms = Arity(1, 2)
    options_field = "bias_param"
    overwritable = True
    neuron = True
    affine = True
    unit_end = True
    per_channel = True
    channels_apart = True
    operations_each = 1
    drawn_inside = True
    blob_names = ("bias",)
    bvlc = True

    def setup(self) -> None:
        self.first = int(self.options.axis)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        broadcast.covered(self, bottoms)
        return [bottoms[0]]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        shape = broadcast.covered(self, bottoms)
        return [BlobSpec("bias", shape, self.options.filler)] if len(bottoms) == 1 else []

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        if len(bottoms) == 1:
            return self.behind_batch(self.first, bottoms)
        return self.first == 0  # bottom 1 holds values for each sample only if it begins where the batch does

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [bottoms[0] + broadcast.beside([*bottoms[1:], *blobs][0], bottoms[0], self.first)]
