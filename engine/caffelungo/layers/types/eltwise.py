"""Eltwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Arity, Layer, OnnxOperator, Shape, State, named
from caffelungo.layers.registry import register
from caffelungo.layers.shapes import per_sample
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor


@register
class Eltwise(Layer):
    """Combines bottoms element by element: SUM (with `coeff` for each, 1 unless given), PROD or MAX.

    MAX gives the whole gradient to the winner; of equal bottoms 0 and 1 that is bottom 1, a later bottom wins only if
    it is greater. Bottoms and top: one shape.
    Caffe: EltwiseLayer.
    """

    type = "Eltwise"
    bottoms = Arity(2, None)
    options_field = "eltwise_param"
    joins = True
    any_rank = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.sum, self.product = options.operation == options.SUM, options.operation == options.PROD
        self.coefficients = tuple(float(value) for value in options.coeff)
        # A sum of two is new memory that the backward pass does not read; a product is read again.
        self.overwritable = self.sum
        if self.coefficients and len(self.coefficients) != len(self.param.bottom):
            raise self.fail(
                "give one `coeff` for each bottom, or none",
                received=f"{len(self.coefficients)} for {counted(len(self.param.bottom), 'bottom')}",
                remedy=f"write {len(self.param.bottom)} `coeff:` lines",
                path="coeff",
            )
        if self.coefficients and not self.sum:
            raise self.fail(
                "`coeff` is valid for SUM only",
                received=f"operation: {'PROD' if self.product else 'MAX'}",
                remedy="remove `coeff`, or use operation: SUM",
                path="coeff",
            )

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        sizes = bottoms[0]
        for shape in bottoms[1:]:
            if len(shape) != len(sizes) or any(a != b for a, b in zip(sizes, shape, strict=True) if a and b):
                raise self.fail(
                    "all bottoms must have the same shape",
                    received=named(self.param.bottom, bottoms),
                    remedy="give the layers that make them the same sizes (num_output, kernel, stride, pad)",
                )
            sizes = tuple(a or b for a, b in zip(sizes, shape, strict=True))
        return [sizes]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        return (per_sample(bottoms[0]) or 0) * (len(bottoms) - 1 + sum(value != 1 for value in self.coefficients))

    def caption(self, blobs: Sequence[Shape]) -> str:
        return "SUM" if self.sum else "PROD" if self.product else "MAX"

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> OnnxOperator | None:
        return None if self.sum or self.product else OnnxOperator("Max", {})

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        if self.coefficients:
            bottoms = [x if c == 1 else x * c for x, c in zip(bottoms, self.coefficients, strict=True)]
        y = bottoms[0]
        for position, x in enumerate(bottoms[1:], 1):
            if self.sum:
                y = y + x
            elif self.product:
                y = y * x
            else:
                y = torch.where(y > x if position == 1 else y >= x, y, x)
        return [y]
