"""EuclideanLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import regression
from caffelungo.layers.base import State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class EuclideanLoss(regression.NumberLoss):
    """Sum of squared differences over twice the batch: sum of (a - b)^2 / (2 N).

    Bottoms: two blobs of the same size; both receive gradients. Top: a scalar.
    `lungo { euclidean_loss { deviation: 11.8 } }` divides the differences of each output by a number first.
    Caffe: EuclideanLossLayer.
    """

    type = "EuclideanLoss"
    own_options = (regression.DEVIATION,)
    operations_each = 3
    bvlc = True

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [self.differences(bottoms).square().sum() / (2 * bottoms[0].shape[0])]
