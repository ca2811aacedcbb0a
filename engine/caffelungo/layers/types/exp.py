"""Exp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Exp(Neuron):
    """y = base ** (scale * x + shift); base e unless given.

    Bottom and top: any shape.
    Caffe: ExpLayer.
    """

    type = "Exp"
    options_field = "exp_param"
    nonlinear = False
    unit_end = False
    operations_each = 3
    bvlc = True

    def setup(self) -> None:
        base = float(self.options.base)
        if base != -1 and base <= 0:
            raise self.fail("base must be above 0", received=f"{base:g}", remedy="use -1 for e", path="base")
        logarithm = 1.0 if base == -1 else math.log(base)
        self.inner = logarithm * self.options.scale
        try:
            self.outer = math.exp(logarithm * self.options.shift)
        except OverflowError:
            raise self.fail(
                "base ** shift is larger than any float",
                received=f"shift: {self.options.shift:g}",
                remedy="write a smaller shift",
                path="shift",
            ) from None

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        y = (bottoms[0] if self.inner == 1 else bottoms[0] * self.inner).exp()
        return [y if self.outer == 1 else y * self.outer]
