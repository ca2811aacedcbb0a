"""Sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Sigmoid(Neuron):
    """Logistic function: y = 1 / (1 + exp(-x)).

    Bottom and top: any shape.
    Caffe: SigmoidLayer.
    """

    type = "Sigmoid"
    operations_each = 4
    bvlc = True

    def never_negative(self, bottoms: bool) -> bool:
        return True

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        return [torch.sigmoid(bottoms[0])]
