"""Threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Neuron, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Threshold(Neuron):
    """y = 1 where x is above the threshold, else 0. No gradient.

    Bottom and top: any shape.
    Caffe: ThresholdLayer.
    """

    type = "Threshold"
    options_field = "threshold_param"
    differentiable = False
    nonlinear = False
    unit_end = False
    bvlc = True

    def setup(self) -> None:
        self.threshold = float(self.options.threshold)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [(bottoms[0] > self.threshold).to(bottoms[0].dtype)]
