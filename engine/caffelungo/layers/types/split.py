"""Split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from caffelungo.layers.base import Arity, Layer, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class Split(Layer):
    """Gives its bottom to several readers; their gradients add up.

    Tops: each as the bottom. A net needs no Split: any number of layers may read one blob. Files that Caffe wrote have
    them.
    Caffe: SplitLayer.
    """

    type = "Split"
    tops = Arity(1, None)
    passes_on = True
    hands_on = True
    channels_apart = True
    any_rank = True
    views = True
    bvlc = True

    def setup(self) -> None:
        self.parts = len(self.param.top)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return [bottoms[0]] * self.parts

    def rearranged(
        self, values: np.ndarray[Any, Any], tops: Sequence[Shape | None]
    ) -> list[np.ndarray[Any, Any]] | None:
        return [values] * self.parts

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [bottoms[0]] * self.parts
