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

    def setup(self) -> None:
        self.along = int(self.options.axis)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        self.axis(self.along, len(bottoms[0]))
        return [bottoms[0]]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        return [torch.softmax(bottoms[0], self.along)]
