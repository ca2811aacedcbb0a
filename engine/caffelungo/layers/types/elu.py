"""ELU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, OnnxOperator, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class ELU(Neuron):
    """Exponential linear unit: y = x for x > 0, else alpha * (exp(x) - 1).

    Bottom and top: any shape.
    Caffe: ELULayer; Clevert et al. 2016.
    """

    type = "ELU"
    options_field = "elu_param"
    zero_stays = True
    shut_at_zero = True
    operations_each = 3
    bvlc = True

    def setup(self) -> None:
        self.alpha = float(self.options.alpha)

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> OnnxOperator:
        return OnnxOperator("Elu", {"alpha": self.alpha})

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        return [F.elu(bottoms[0], self.alpha)]
