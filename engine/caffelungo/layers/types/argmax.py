"""ArgMax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer, Shape, State, count, shape_text
from caffelungo.layers.registry import register
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor


@register
class ArgMax(Layer):
    """Indices of the top_k highest values, the highest first; of equal values the later one comes first. No gradient.

    Without `axis` each sample is taken as one list. Top: N x 1 x top_k, or N x 2 x top_k with the values behind the
    indices (out_max_val). With `axis`: the bottom's shape with top_k there, values in place of indices (out_max_val).
    Caffe: ArgMaxLayer.
    """

    type = "ArgMax"
    options_field = "argmax_param"
    differentiable = False
    chooses = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.along = int(options.axis) if options.HasField("axis") else None
        self.top_k, self.values = int(options.top_k), bool(options.out_max_val)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        shape = bottoms[0]
        axis = None if self.along is None else self.axis(self.along, len(shape))
        size = count(shape[1:]) if axis is None else shape[axis]
        if size is not None and self.top_k > size:
            raise self.fail(
                f"top_k {self.top_k} is more than the {counted(size, 'value')}",
                received=f"bottom {shape_text(shape)}",
                remedy=f"use at most {size}",
                path="top_k",
            )
        if axis is None:
            return [(shape[0], 2 if self.values else 1, self.top_k, *(1,) * (len(shape) - 3))]
        return [(*shape[:axis], self.top_k, *shape[axis + 1 :])]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        x = bottoms[0].detach() if self.along is not None else bottoms[0].detach().flatten(1)
        axis = 1 if self.along is None else self.along
        flipped = x.flip(axis)
        if torch.compiler.is_exporting():
            # ONNX's TopK puts the lower of equal indices first, as the stable sort does; torch's own promises nothing.
            values, order = flipped.topk(self.top_k, axis)
        else:
            values, order = (
                part.narrow(axis, 0, self.top_k) for part in flipped.sort(stable=True, dim=axis, descending=True)
            )
        indices = (x.shape[axis] - 1 - order).to(values.dtype)
        if self.along is not None:
            return [values if self.values else indices]
        y = torch.stack([indices, values] if self.values else [indices], 1)
        return [y.reshape(*y.shape, *(1,) * (bottoms[0].dim() - 3))]
