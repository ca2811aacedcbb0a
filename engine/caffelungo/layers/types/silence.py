"""Silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Arity, Layer, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Silence(Layer):
    """Takes blobs that nothing else reads, so that they are no outputs of the net.

    Bottoms: any. No top.
    Caffe: SilenceLayer.
    """

    type = "Silence"
    bottoms = Arity(1, None)
    tops = Arity(0)
    measures = True
    views = True
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return []

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return []
