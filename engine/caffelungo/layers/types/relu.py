"""ReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class ReLU(Neuron):
    """Rectifier: y = max(x, 0) + negative_slope * min(x, 0); the gradient at 0 is negative_slope.

    Bottom and top: any shape.
    Caffe: ReLULayer.
    """

    type = "ReLU"
    options_field = "relu_param"
    zero_stays = True
    shut_at_zero = True
    bvlc = True

    def setup(self) -> None:
        self.slope = float(self.options.negative_slope)

    def never_negative(self, bottoms: bool) -> bool:
        return self.slope == 0

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        if self.slope == 0:
            return [F.relu(bottoms[0], inplace=state.inplace)]
        return [F.leaky_relu(bottoms[0], self.slope, inplace=state.inplace and self.slope > 0)]
