"""Concat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Arity, Layer, Shape, State, named
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Concat(Layer):
    """Joins bottoms along `axis` (1 unless given; `concat_dim` is its old name).

    Bottoms: equal on every other axis. Top: the sum of their sizes on `axis`.
    Caffe: ConcatLayer.
    """

    type = "Concat"
    bottoms = Arity(1, None)
    options_field = "concat_param"
    joins = True
    any_rank = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        # A single bottom is handed on as it is.
        self.overwritable = len(self.param.bottom) > 1
        if options.HasField("axis") and options.HasField("concat_dim"):
            raise self.fail(
                "both `axis` and its old name `concat_dim` are given",
                received=f"axis: {options.axis}, concat_dim: {options.concat_dim}",
                remedy="keep `axis`",
                path="concat_dim",
            )
        self.along = int(options.concat_dim if options.HasField("concat_dim") else options.axis)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        first = bottoms[0]
        axis = self.axis(self.along, len(first))
        sizes = list(first)
        for position, shape in enumerate(bottoms[1:], 1):
            same = len(shape) == len(first) and all(
                i == axis or a is None or b is None or a == b for i, (a, b) in enumerate(zip(sizes, shape, strict=True))
            )
            if not same:
                raise self.fail(
                    f"bottom {position} (`{self.param.bottom[position]}`) differs from the first one on another axis "
                    f"than {axis}, along which they are joined",
                    received=named(self.param.bottom, bottoms),
                    remedy="give all bottoms the same sizes on the other axes (kernel, stride and pad of their layers)",
                )
            sizes = [a if a is not None else b for a, b in zip(sizes, shape, strict=True)]
        parts = [shape[axis] for shape in bottoms]
        sizes[axis] = None if None in parts else sum(part for part in parts if part is not None)
        return [tuple(sizes)]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        return [bottoms[0] if len(bottoms) == 1 else torch.cat(list(bottoms), self.along)]
