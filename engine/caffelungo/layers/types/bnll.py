"""BNLL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, OnnxOperator, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class BNLL(Neuron):
    """Binomial normal log likelihood (softplus): y = log(1 + exp(x)).

    Bottom and top: any shape.
    Caffe: BNLLLayer.
    """

    type = "BNLL"
    operations_each = 4
    bvlc = True

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> OnnxOperator:
        return OnnxOperator("Softplus", {})

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        return [F.softplus(bottoms[0])]
