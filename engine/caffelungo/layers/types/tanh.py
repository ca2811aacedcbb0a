"""TanH."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class TanH(Neuron):
    """Hyperbolic tangent: y = tanh(x).

    Bottom and top: any shape.
    Caffe: TanHLayer.
    """

    type = "TanH"
    zero_stays = True
    operations_each = 4
    bvlc = True

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        return [torch.tanh(bottoms[0])]
