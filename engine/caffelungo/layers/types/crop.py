"""Crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Arity, Layer, Shape, State, shape_text
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
class Crop(Layer):
    """Cuts bottom 0 to the sizes of bottom 1 on all axes from `axis` on, beginning at `offset`.

    Bottoms: equal in rank; of bottom 1 only the shape counts. Top: bottom 0 before `axis`, then as bottom 1.
    Caffe: CropLayer.
    """

    type = "Crop"
    bottoms = Arity(2)
    options_field = "crop_param"
    labels = (1,)
    bvlc = True

    def setup(self) -> None:
        self.first = int(self.options.axis)
        self.offsets = tuple(int(offset) for offset in self.options.offset)

    def offset(self, place: int) -> int:
        """Where the crop starts on the axis at ``place`` behind ``axis``."""
        return 0 if not self.offsets else self.offsets[place if len(self.offsets) > 1 else 0]

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        shape, model = bottoms
        if len(shape) != len(model):
            raise self.fail(
                "the two bottoms have different numbers of axes",
                received=f"{shape_text(shape)} and {shape_text(model)}",
                remedy="reshape one of them",
            )
        axis = self.axis(self.first, len(shape))
        if len(self.offsets) not in (0, 1, len(shape) - axis):
            raise self.fail(
                f"give one `offset`, or one for each of the {len(shape) - axis} axes that are cropped",
                received=len(self.offsets),
                remedy="remove some, or add the missing ones",
                path="offset.0",
            )
        for place, (size, wanted) in enumerate(zip(shape[axis:], model[axis:], strict=True)):
            if size is not None and wanted is not None and self.offset(place) + wanted > size:
                raise self.fail(
                    f"the crop does not fit on axis {axis + place}",
                    received=f"size {size}, offset {self.offset(place)}, crop {wanted}",
                    remedy=f"use an offset of at most {max(size - wanted, 0)}, or a smaller bottom 1",
                    path="offset.0" if self.offsets else "",
                )
        return [(*shape[:axis], *model[axis:])]

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> nn.Module | None:
        from caffelungo.layers import onnx_forms

        rank = len(bottoms[0])
        axis = self.first % rank
        if not free or axis == 0:
            return None
        offsets = [self.offset(place) for place in range(rank - axis)]
        return onnx_forms.CropToBottom(offsets, axis, onnx_forms.sizes(tops[0]))

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x, model = bottoms
        axis = self.first % x.dim()
        for place, size in enumerate(model.shape[axis:]):
            x = x.narrow(axis + place, self.offset(place), size)
        return [x]
