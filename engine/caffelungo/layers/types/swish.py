"""Swish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Swish(Neuron):
    """y = x * sigmoid(beta * x).

    Bottom and top: any shape.
    Caffe: SwishLayer; Ramachandran et al. 2017.
    """

    type = "Swish"
    options_field = "swish_param"
    zero_stays = True
    operations_each = 5
    bvlc = True

    def setup(self) -> None:
        self.beta = float(self.options.beta)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x = bottoms[0]
        return [x * (x if self.beta == 1 else x * self.beta).sigmoid()]
