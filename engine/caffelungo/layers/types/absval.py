"""AbsVal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class AbsVal(Neuron):
    """Absolute value: y = |x|; the gradient at 0 is 0.

    Bottom and top: any shape.
    Caffe: AbsValLayer.
    """

    type = "AbsVal"
    nonlinear = False
    unit_end = False
    zero_stays = True
    shut_at_zero = True
    bvlc = True

    def never_negative(self, bottoms: bool) -> bool:
        return True

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [bottoms[0].abs()]
