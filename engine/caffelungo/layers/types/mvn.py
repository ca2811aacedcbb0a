"""MVN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer, Shape, State, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
class MVN(Layer):
    """Mean-variance normalization of each channel of each sample: y = (x - mean) / (sqrt(var) + eps).

    With across_channels over each sample; without normalize_variance the mean only.
    Bottom and top: N x C x any.
    Caffe: MVNLayer.
    """

    type = "MVN"
    options_field = "mvn_param"
    neuron = True
    zero_stays = True
    operations_each = 5
    fixed_sizes = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.divide, self.across = bool(options.normalize_variance), bool(options.across_channels)
        self.eps = float(options.eps)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if len(bottoms[0]) < 2:
            raise self.fail(
                "the bottom must have at least 2 axes (batch, channels)",
                received=f"bottom {shape_text(bottoms[0])}",
                remedy="use Reshape before",
            )
        return [bottoms[0]]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> nn.Module | None:
        from caffelungo.layers import onnx_forms

        rank = len(bottoms[0])
        axes = range(1 if self.across else 2, rank)
        return onnx_forms.MeanVariance(axes, self.divide, self.eps) if rank > 2 else None

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x = full(bottoms[0])
        x = x if x.dim() > 2 else x.unsqueeze(2)
        axes = tuple(range(1 if self.across else 2, x.dim()))
        y = x - x.mean(axes, keepdim=True)
        if self.divide:
            variance = y.square().mean(axes, keepdim=True)
            deviation = variance.detach().sqrt() + self.eps
            # The gradient of the root, with eps in it as Caffe has it: finite where the variance is 0.
            y = y / (deviation + (variance - variance.detach()) / (2 * deviation))
        return [y.view_as(bottoms[0]).to(bottoms[0].dtype)]
