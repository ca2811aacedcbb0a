"""Embed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import losses
from caffelungo.layers.base import BlobSpec, ClassNumbers, Layer, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Embed(Layer):
    """Looks up a learned vector for each index: top[i] = weight[bottom[i]] + bias.

    Bottom: indices from 0 to input_dim - 1, any shape. Top: that shape, then num_output.
    Blobs: weight (input_dim, num_output), bias (num_output).
    Caffe: EmbedLayer.
    """

    type = "Embed"
    options_field = "embed_param"
    labels = (0,)
    depth = True
    bvlc = True

    def setup(self) -> None:
        self.bias = bool(self.options.bias_term)
        for name in ("num_output", "input_dim"):
            if getattr(self.options, name) < 1:
                raise self.fail(f"`{name}` is missing", remedy=f"add `{name}:`")

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return [(*bottoms[0], int(self.options.num_output))]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        inputs, outputs = int(self.options.input_dim), int(self.options.num_output)
        weight = BlobSpec("weight", (inputs, outputs), self.options.weight_filler)
        bias = BlobSpec("bias", (outputs,), self.options.bias_filler)
        return (weight, bias) if self.bias else (weight,)

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers:
        return ClassNumbers(0, int(self.options.input_dim))

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        indices, outside = losses.within(bottoms[0].long(), blobs[0].shape[0])
        y = losses.poisoned(F.embedding(indices, blobs[0]), outside)
        return [y + blobs[1] if self.bias else y]
