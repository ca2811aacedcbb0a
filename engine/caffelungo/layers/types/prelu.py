"""PReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import BlobSpec, Neuron, Shape, State, constant, shape_text
from caffelungo.layers.precision import like
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class PReLU(Neuron):
    """Rectifier with a learned slope: y = max(x, 0) + slope * min(x, 0).

    Bottom and top: N x C x any. Blob: slope (C), or one number with channel_shared; starts at 0.25.
    Caffe: PReLULayer; He et al. 2015.
    """

    type = "PReLU"
    options_field = "prelu_param"
    per_channel = True
    zero_stays = True
    shut_at_zero = True
    operations_each = 2
    blob_names = ("slope",)
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if len(bottoms[0]) < 2:
            raise self.fail(
                "the bottom must have at least 2 axes (batch, channels)",
                received=f"bottom {shape_text(bottoms[0])}",
                remedy="use ReLU with negative_slope",
            )
        return [bottoms[0]]

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        filler = self.options.filler if self.options.HasField("filler") else constant(0.25)
        return [BlobSpec("slope", () if self.options.channel_shared else (bottoms[0][1],), filler)]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        return [F.prelu(bottoms[0], like(blobs[0].reshape(-1), bottoms[0]))]
