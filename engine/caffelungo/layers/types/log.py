"""Log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Log(Neuron):
    """y = log(scale * x + shift) to the base; base e unless given.

    Bottom and top: any shape.
    Caffe: LogLayer.
    """

    type = "Log"
    options_field = "log_param"
    nonlinear = False
    unit_end = False
    operations_each = 3
    bvlc = True

    def setup(self) -> None:
        base = float(self.options.base)
        if base != -1 and (base <= 0 or base == 1):
            raise self.fail("base must be above 0, and not 1", received=f"{base:g}", remedy="use -1 for e", path="base")
        self.factor = 1.0 if base == -1 else 1 / math.log(base)
        self.scale, self.shift = float(self.options.scale), float(self.options.shift)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        y = (bottoms[0] * self.scale + self.shift).log()
        return [y if self.factor == 1 else y * self.factor]
