"""Slice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from caffelungo.layers.base import Arity, Layer, Shape, State, shape_text
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Slice(Layer):
    """Cuts the bottom along `axis` (`slice_dim` is its old name) at slice_points, or into equal parts.

    Bottom: any shape. Tops: the parts in order.
    Caffe: SliceLayer.
    """

    type = "Slice"
    tops = Arity(1, None)
    options_field = "slice_param"
    any_rank = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.parts = len(self.param.top)
        self.points = tuple(int(point) for point in options.slice_point)
        if options.HasField("axis") and options.HasField("slice_dim"):
            raise self.fail(
                "both `axis` and its old name `slice_dim` are given",
                received=f"axis: {options.axis}, slice_dim: {options.slice_dim}",
                remedy="keep `axis`",
                path="slice_dim",
            )
        self.along = int(options.slice_dim if options.HasField("slice_dim") else options.axis)
        if self.points and len(self.points) != self.parts - 1:
            raise self.fail(
                f"{self.parts} tops need {self.parts - 1} slice points, or none for equal parts",
                received=", ".join(map(str, self.points)),
                remedy=f"write {self.parts - 1} `slice_point:` lines",
                path="slice_point",
            )

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        shape = bottoms[0]
        axis = self.axis(self.along, len(shape))
        size = shape[axis]
        edges = (0, *self.points)
        if self.points and any(b <= a for a, b in zip(edges, (*self.points, size or 2**62), strict=True)):
            raise self.fail(
                "slice points must increase and lie within the axis",
                received=f"{', '.join(map(str, self.points))} on axis {axis} of {shape_text(shape)}",
                remedy="write the first index of each part except the first",
                path="slice_point",
            )
        if self.points:
            ends: list[int | None] = [*self.points, size]
            sizes = [None if end is None else end - start for start, end in zip(edges, ends, strict=True)]
        elif size is not None and size % self.parts:
            raise self.fail(
                f"axis {axis} of size {size} cannot be cut into {self.parts} equal parts",
                received=f"bottom {shape_text(shape)}, {self.parts} tops",
                remedy="add `slice_point:` lines",
            )
        else:
            sizes = [None if size is None else size // self.parts] * self.parts
        return [(*shape[:axis], part, *shape[axis + 1 :]) for part in sizes]

    def rearranged(
        self, values: np.ndarray[Any, Any], tops: Sequence[Shape | None]
    ) -> list[np.ndarray[Any, Any]] | None:
        axis = self.along % values.ndim
        sizes = [None if top is None else top[axis] for top in tops]
        if axis == 0 or None in sizes or sum(size or 0 for size in sizes) != values.shape[axis]:
            return None
        return np.split(values, np.cumsum([size or 0 for size in sizes])[:-1].tolist(), axis)

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return self.behind_batch(self.along, bottoms)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x = bottoms[0]
        size = x.shape[self.along]
        if not self.points:
            return list(x.split(size // self.parts, self.along))
        sizes = [end - start for start, end in pairwise((0, *self.points, size))]
        return list(x.split(sizes, self.along))
