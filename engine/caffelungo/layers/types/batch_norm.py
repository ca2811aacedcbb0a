"""BatchNorm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from caffelungo.layers.base import BlobSpec, Layer, Shape, State, constant
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
class BatchNorm(Layer):
    """Normalizes each channel: y = (x - mean) / sqrt(var + eps).

    TRAIN: mean and variance of the batch, which also enter running sums: sum = moving_average_fraction * sum + batch
    (the variance times m / (m - 1), m values a channel), factor = moving_average_fraction * factor + 1. TEST, or
    use_global_stats: the sums divided by the factor (0 while the factor is 0).
    Bottom and top: N x C x any. Blobs, none of them learned: mean (C), variance (C), factor (1).
    Caffe: BatchNormLayer.
    """

    type = "BatchNorm"
    options_field = "batch_norm_param"
    overwritable = True
    neuron = True
    affine = True
    unit_end = True
    per_channel = True
    channels_apart = True
    zero_stays = True
    operations_each = 2
    drawn_inside = True
    weights_depend_on = ("eps",)
    blob_names = ("mean", "variance", "factor")
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.stored = bool(options.use_global_stats) if options.HasField("use_global_stats") else not self.training
        self.fraction, self.eps = float(options.moving_average_fraction), float(options.eps)

    @classmethod
    def for_new_units(cls, layer: Any) -> None:
        if layer.batch_norm_param.use_global_stats:
            layer.batch_norm_param.ClearField("use_global_stats")

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if not bottoms[0]:
            raise self.fail("the bottom must have at least one axis", received="a scalar", remedy="use Power instead")
        return [bottoms[0]]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        channels = bottoms[0][1] if len(bottoms[0]) > 1 else 1
        shapes = {"mean": (channels,), "variance": (channels,), "factor": (1,)}
        return [BlobSpec(name, shape, constant(0), learned=False) for name, shape in shapes.items()]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> nn.Module | None:
        from caffelungo.layers import onnx_forms

        if not self.stored:
            return onnx_forms.BatchStatistics(self.eps)
        return onnx_forms.StoredBatchNorm(blobs, self.eps) if len(bottoms[0]) > 1 else None

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        x = bottoms[0] if bottoms[0].dim() > 1 else bottoms[0].unsqueeze(1)
        mean, variance, factor = blobs
        if self.stored:
            scale = torch.where(factor == 0, torch.zeros_like(factor), 1 / factor)
            y = torch.nn.functional.batch_norm(x, mean * scale, variance * scale, eps=self.eps)
            return [y.view_as(bottoms[0])]
        # Fed with zeros and momentum 1, the running statistics come back as the batch's own, the variance unbiased.
        batch_mean, batch_variance = torch.zeros_like(mean), torch.zeros_like(variance)
        y = torch.batch_norm(
            x, None, None, batch_mean, batch_variance, True, 1.0, self.eps, torch.backends.cudnn.enabled
        )
        with torch.no_grad():
            if x.numel() == x.shape[1]:
                # 0 / 0 as an unbiased one. Not in place: the backward pass holds it.
                batch_variance = torch.zeros_like(variance)
            mean.mul_(self.fraction).add_(batch_mean)
            variance.mul_(self.fraction).add_(batch_variance)
            factor.mul_(self.fraction).add_(1)
        return [y.view_as(bottoms[0])]
