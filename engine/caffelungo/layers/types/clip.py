"""Clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Clip(Neuron):
    """y = x held between min and max; the gradient passes from min to max, both included.

    Bottom and top: any shape.
    Caffe: ClipLayer.
    """

    type = "Clip"
    options_field = "clip_param"
    nonlinear = False
    operations_each = 2
    bvlc = True

    def setup(self) -> None:
        if not self.param.HasField("clip_param"):
            raise self.fail("the bounds are missing", remedy="add `clip_param { min: ... max: ... }`")
        self.least, self.most = float(self.options.min), float(self.options.max)
        if self.least > self.most:
            received = f"min: {self.least:g}, max: {self.most:g}"
            raise self.fail("min is above max", received=received, remedy="swap them", path="min")

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [bottoms[0].clamp(self.least, self.most)]
