"""Reduction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer, Shape, State
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Reduction(Layer):
    """coeff times the SUM, MEAN, sum of absolute values (ASUM) or of squares (SUMSQ) over all axes from `axis` on.

    Bottom: any shape. Top: the axes before `axis`; a scalar for axis 0.
    Caffe: ReductionLayer.
    """

    type = "Reduction"
    options_field = "reduction_param"
    fixed_sizes = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.operation = next(n for n in ("SUM", "ASUM", "SUMSQ", "MEAN") if options.operation == getattr(options, n))
        self.first, self.coefficient = int(options.axis), float(options.coeff)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return [bottoms[0][: self.axis(self.first, len(bottoms[0]))]]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x = full(bottoms[0]).flatten(self.first)
        if self.operation == "ASUM":
            x = x.abs()
        elif self.operation == "SUMSQ":
            x = x.square()
        y = x.mean(-1) if self.operation == "MEAN" else x.sum(-1)
        return [y if self.coefficient == 1 else y * self.coefficient]
