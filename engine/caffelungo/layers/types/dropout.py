"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Dropout(Neuron):
    """TRAIN: each value is 0 with probability dropout_ratio, else divided by 1 - dropout_ratio. TEST: y = x.

    Bottom and top: any shape.
    Caffe: DropoutLayer.
    """

    type = "Dropout"
    options_field = "dropout_param"
    nonlinear = False
    unit_end = False
    hands_on = True
    zero_stays = True
    operations_each = 0
    bvlc = True

    def setup(self) -> None:
        self.ratio = float(self.options.dropout_ratio)

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return not self.training or self.ratio == 0

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        if not self.training or self.ratio == 0:
            return [bottoms[0]]
        from caffelungo.layers import dropout_masks

        if dropout_masks.fits(bottoms[0]):
            return [dropout_masks.drop(bottoms[0], self.ratio)]
        return [F.dropout(bottoms[0], self.ratio, True, state.inplace)]
