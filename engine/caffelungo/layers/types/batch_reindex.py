"""BatchReindex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import losses
from caffelungo.layers.base import Arity, ClassNumbers, Layer, Shape, State, count, shape_text
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class BatchReindex(Layer):
    """Picks samples by index: top[i] = bottom0[bottom1[i]]; a sample may come several times, or not at all.

    Bottoms: N x any, indices (M). Top: M x any.
    Caffe: BatchReindexLayer.
    """

    type = "BatchReindex"
    bottoms = Arity(2)
    labels = (1,)
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if not bottoms[0] or len(bottoms[1]) != 1:
            raise self.fail(
                "bottom 0 must have a batch axis, and bottom 1 one axis of indices",
                received=" and ".join(map(shape_text, bottoms)),
                remedy="flatten the indices",
            )
        return [(count(bottoms[1]), *bottoms[0][1:])]

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers:
        return ClassNumbers(1, bottoms[0][0] if bottoms[0] else None)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        indices, outside = losses.within(bottoms[1].long(), bottoms[0].shape[0])
        return [losses.poisoned(bottoms[0].index_select(0, indices), outside)]
