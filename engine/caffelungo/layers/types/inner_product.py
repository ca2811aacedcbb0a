"""InnerProduct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import operation_counts
from caffelungo.layers.base import BlobSpec, Layer, Shape, State, count
from caffelungo.layers.registry import register
from caffelungo.layers.shapes import per_sample

if TYPE_CHECKING:
    from torch import Tensor


@register
class InnerProduct(Layer):
    """Fully connected: top = weight . bottom + bias, over all axes from `axis` taken as one of size K.

    Bottom: any shape. Top: the axes before `axis`, then num_output.
    Blobs: weight (num_output, K), or (K, num_output) with `transpose`; bias (num_output).
    Caffe: InnerProductLayer.
    """

    type = "InnerProduct"
    options_field = "inner_product_param"
    overwritable = True
    classifies = True
    depth = True
    bvlc = True

    def setup(self) -> None:
        self.num_output = int(self.options.num_output)
        self.bias = bool(self.options.bias_term)
        self.transpose = bool(self.options.transpose)
        self.first = int(self.options.axis)
        if self.num_output < 1:
            raise self.fail("`num_output` is missing", remedy="add `num_output:` with the number of units")

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return [(*bottoms[0][: self.axis(self.first, len(bottoms[0]))], self.num_output)]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        inputs = count(bottoms[0][self.axis(self.first, len(bottoms[0])) :])
        shape = (inputs, self.num_output) if self.transpose else (self.num_output, inputs)
        weight = BlobSpec("weight", shape, self.options.weight_filler)
        bias = BlobSpec("bias", (self.num_output,), self.options.bias_filler)
        return (weight, bias) if self.bias else (weight,)

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return self.behind_batch(int(self.options.axis), bottoms)

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        top = per_sample(tops[0]) or 0
        return operation_counts.weighted(blobs, top // self.num_output, top)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        weight = blobs[0].t() if self.transpose else blobs[0]
        return [F.linear(bottoms[0].flatten(self.first), weight, blobs[1] if self.bias else None)]
