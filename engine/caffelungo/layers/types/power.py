"""Power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Power(Neuron):
    """y = (shift + scale * x) ** power; constant, without gradient, when power or scale is 0.

    Bottom and top: any shape.
    Caffe: PowerLayer.
    """

    type = "Power"
    options_field = "power_param"
    nonlinear = False
    unit_end = False
    operations_each = 3
    bvlc = True

    def setup(self) -> None:
        self.power, self.scale = float(self.options.power), float(self.options.scale)
        self.shift = float(self.options.shift)
        if self.power < 0 and self.shift == 0 and self.scale == 0:
            received = f"power: {self.power:g}, scale: 0"
            raise self.fail("a negative power of 0", received=received, remedy="use a scale other than 0", path="power")

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        x = bottoms[0]
        if self.power * self.scale == 0:
            return [torch.full_like(x, self.shift**self.power)]
        inner = x if self.scale == 1 else x * self.scale
        inner = inner if self.shift == 0 else inner + self.shift
        if self.power == 1:
            return [inner]
        return [inner * inner if self.power == 2 else inner.pow(self.power)]
