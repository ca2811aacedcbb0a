"""Parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Arity, BlobSpec, Layer, Shape, State, constant
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Parameter(Layer):
    """A learned blob as a top.

    Top and blob: `shape`.
    Caffe: ParameterLayer.
    """

    type = "Parameter"
    bottoms = Arity(0)
    options_field = "parameter_param"
    blob_names = ("value",)
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if not self.options.HasField("shape"):
            raise self.fail("`shape` is missing", remedy="add `shape { dim: ... }`")
        return [tuple(self.options.shape.dim)]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        return [BlobSpec("value", tuple(self.options.shape.dim), constant(0))]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [blobs[0]]
