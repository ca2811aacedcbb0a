"""HuberLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.bounds import POSITIVE
from caffelungo.layers import regression
from caffelungo.layers.base import Option, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class HuberLoss(regression.NumberLoss):
    """Squared differences up to `delta`, absolute ones beyond it, so that a few wrong targets count less.

    With d = (a - b) / deviation: sum of (d^2 / 2 if |d| <= delta, else delta (|d| - delta / 2)) / N. Where no
    difference is beyond delta it is EuclideanLoss.
    Bottoms: two blobs of the same size; both receive gradients. Top: a scalar.
    Source: Huber 1964, equation 4. SmoothL1Loss of Caffe's forks is another scale of it.
    """

    type = "HuberLoss"
    own_options = (
        Option("delta", 1.0, "Largest difference that is squared.", POSITIVE),
        regression.DEVIATION,
    )  # fmt: skip
    operations_each = 5

    def setup(self) -> None:
        super().setup()
        self.delta = float(self.own.delta)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        difference = self.differences(bottoms)
        total = F.huber_loss(difference, difference.new_zeros(()).expand_as(difference), reduction="sum",
                             delta=self.delta)  # fmt: skip
        return [total / bottoms[0].shape[0]]
