"""Flatten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from caffelungo.layers.base import Layer, Shape, State, count, reshaped, shape_text
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class Flatten(Layer):
    """Joins the axes from `axis` to end_axis into one.

    Bottom: any shape. Top: the same values, N x (C H W) by default.
    Caffe: FlattenLayer.
    """

    type = "Flatten"
    options_field = "flatten_param"
    passes_on = True
    hands_on = True
    channels_apart = True
    views = True
    drawn_inside = True
    fixed_sizes = True
    bvlc = True

    def setup(self) -> None:
        self.first, self.last = int(self.options.axis), int(self.options.end_axis)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        shape = bottoms[0]
        first, last = self.axis(self.first, len(shape)), self.axis(self.last, len(shape), "end_axis")
        if last < first:
            raise self.fail(
                "end_axis comes before axis",
                received=f"axis {first}, end_axis {last} of {shape_text(shape)}",
                remedy=f"use an end_axis of {first} or more, or -1",
                path="end_axis" if self.options.HasField("end_axis") else "axis",
            )
        return [(*shape[:first], count(shape[first : last + 1]), *shape[last + 1 :])]

    def rearranged(
        self, values: np.ndarray[Any, Any], tops: Sequence[Shape | None]
    ) -> list[np.ndarray[Any, Any]] | None:
        return reshaped(values, tops[0]) if self.first % (values.ndim) else None

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [bottoms[0].flatten(self.first, self.last)]
