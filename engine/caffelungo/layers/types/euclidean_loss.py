"""EuclideanLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Loss, Shape, State, count, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class EuclideanLoss(Loss):
    """Sum of squared differences over twice the batch: sum of (a - b)^2 / (2 N).

    Bottoms: two blobs of the same size; both receive gradients. Top: a scalar.
    Caffe: EuclideanLossLayer.
    """

    type = "EuclideanLoss"
    labels = ()
    operations_each = 3
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        super().shapes(bottoms)
        left, right = (count(shape[1:]) for shape in bottoms)
        if left is not None and right is not None and left != right:
            raise self.fail(
                "the two bottoms have different sizes",
                received=f"{shape_text(bottoms[0])} and {shape_text(bottoms[1])}",
                remedy="give both bottoms the same number of values per sample",
            )
        return [()]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        left, right = full(bottoms[0]), full(bottoms[1])
        difference = left - right.reshape(left.shape)
        return [difference.square().sum() / (2 * left.shape[0])]
