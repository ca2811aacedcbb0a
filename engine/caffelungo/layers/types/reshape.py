"""Reshape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from caffelungo.layers.base import Layer, LayerError, Shape, State, count, reshaped, shape_text
from caffelungo.layers.registry import register
from caffelungo.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class Reshape(Layer):
    """Gives num_axes axes of the bottom from `axis` on (all: -1) the sizes of `shape`.

    A `dim` of 0 keeps the size of the bottom's axis at that place, one of -1 (at most one) takes what is left.
    Bottom: any shape. Top: the same values.
    Caffe: ReshapeLayer.
    """

    type = "Reshape"
    options_field = "reshape_param"
    passes_on = True
    hands_on = True
    views = True
    fixed_sizes = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.dims = tuple(int(size) for size in options.shape.dim)
        self.first, self.axes = int(options.axis), int(options.num_axes)
        if self.dims.count(-1) > 1 or any(size < -1 for size in self.dims):
            raise self.fail(
                "a `dim` is a size, 0 (keep) or -1 (the rest, once)",
                received=", ".join(map(str, self.dims)),
                remedy="keep one -1",
                path="shape",
            )

    def _span(self, rank: int) -> tuple[int, int]:
        """First and last axis (exclusive) that are replaced."""
        start = self.first if self.first >= 0 else rank + self.first + 1
        return start, rank if self.axes == -1 else start + self.axes

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        shape = bottoms[0]
        start, end = self._span(len(shape))
        if not 0 <= start <= end <= len(shape) or self.axes < -1:
            raise self.fail(
                f"axis {self.first} with num_axes {self.axes} is out of range for a bottom "
                f"with {counted(len(shape), 'axis')}",
                received=f"bottom {shape_text(shape)}",
                remedy="use axis 0 and num_axes -1 for the whole shape",
                path="num_axes" if self.options.HasField("num_axes") else "axis",
            )
        kept = [place for place, size in enumerate(self.dims) if size == 0]
        if kept and start + kept[-1] >= len(shape):
            raise self.fail(
                f"`dim: 0` keeps an axis that the bottom does not have (axis {start + kept[-1]})",
                received=f"bottom {shape_text(shape)}",
                remedy="write the size",
                path="shape",
            )
        sizes = [shape[start + place] if size == 0 else size for place, size in enumerate(self.dims)]
        before, after = count(shape[start:end]), count([size for size in sizes if size != -1])
        whole = before is not None and after is not None
        if -1 in sizes:
            fits = not whole or (after and before % after == 0)  # type: ignore[operator]
            sizes[sizes.index(-1)] = before // after if whole and fits else None  # type: ignore[operator]
        else:
            fits = not whole or before == after
        if not fits:
            raise LayerError(
                "impossible shape: it has another number of values than the bottom",
                f"bottom {shape_text(shape)}, dims {', '.join(map(str, self.dims))}",
                "keep the product of the sizes, or write -1 for one of them",
                ("reshape_param", "shape"),
            )
        return [(*shape[:start], *sizes, *shape[end:])]

    def rearranged(
        self, values: np.ndarray[Any, Any], tops: Sequence[Shape | None]
    ) -> list[np.ndarray[Any, Any]] | None:
        return reshaped(values, tops[0])

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return self.first != 0 or (len(self.dims) > 0 and self.dims[0] in (0, -1))

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x = bottoms[0]
        start, end = self._span(x.dim())
        dims = [x.shape[start + place] if size == 0 else size for place, size in enumerate(self.dims)]
        return [x.reshape((*x.shape[:start], *dims, *x.shape[end:]))]
