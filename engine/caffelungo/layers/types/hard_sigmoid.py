"""HardSigmoid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caffelungo.definition.schema import LayerParameter
from caffelungo.layers.base import CaffeForm, Neuron, OnnxOperator, Option, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class HardSigmoid(Neuron):
    """Piecewise linear sigmoid: y = min(max(alpha * x + beta, 0), 1); no gradient where it is cut off.

    Bottom and top: any shape. Its options are written `lungo { hard_sigmoid { alpha: 0.2 beta: 0.5 } }`.
    Source: ONNX's HardSigmoid; Courbariaux et al. 2015 (BinaryConnect), with alpha 0.5.
    """

    type = "HardSigmoid"
    own_options = (Option("alpha", 0.2, "Slope between 0 and 1."), Option("beta", 0.5, "Value at x = 0."))
    operations_each = 4

    def setup(self) -> None:
        self.alpha, self.beta = float(self.options.alpha), float(self.options.beta)

    def never_negative(self, bottoms: bool) -> bool:
        return True

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> OnnxOperator:
        return OnnxOperator("HardSigmoid", {"alpha": self.alpha, "beta": self.beta})

    def caffe_form(self, bottoms: Sequence[Shape | None], names: Callable[[str], str]) -> CaffeForm:
        line = names("line")
        first = LayerParameter(name=line, type="Power", bottom=self.param.bottom, top=[line])
        first.power_param.scale, first.power_param.shift = self.alpha, self.beta
        second = LayerParameter(name=self.name, type="Clip", bottom=[line], top=self.param.top)
        second.clip_param.min, second.clip_param.max = 0, 1
        return CaffeForm([first, second])

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [(bottoms[0] * self.alpha + self.beta).clamp(0, 1)]
