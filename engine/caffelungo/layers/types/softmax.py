"""Softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Softmax(Layer):
    """y = exp(x) / sum over `axis` of exp(x).

    Bottom and top: any shape with that axis.
    Caffe: SoftmaxLayer.
    """

    type = "Softmax"
    options_field = "softmax_param"
    passes_on = True
    any_rank = True
    operations_each = 4
    drawn_inside = True
    bvlc = True

    def setup(self) -> None:
        self.along = int(self.options.axis)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        self.axis(self.along, len(bottoms[0]))
        return [bottoms[0]]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return self.behind_batch(int(self.options.axis), bottoms)

    def never_negative(self, bottoms: bool) -> bool:
        return True

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        return [torch.softmax(bottoms[0], self.along)]
