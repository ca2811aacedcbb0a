"""SigmoidCrossEntropyLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import losses
from caffelungo.layers.base import Loss, Shape, State, count, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class SigmoidCrossEntropyLoss(Loss):
    """Cross-entropy of sigmoid(x) with targets t: -sum of t log(p) + (1 - t) log(1 - p), divided by a normalizer.

    Bottoms: scores, targets in [0, 1], equally many. Top: a scalar. The normalizer is the number of samples unless
    `loss_param.normalization` says otherwise; targets whose integer part is ignore_label are passed over.
    Caffe: SigmoidCrossEntropyLossLayer.
    """

    type = "SigmoidCrossEntropyLoss"
    options_field = "loss_param"
    answer = "Sigmoid"
    operations_each = 5
    bvlc = True

    def setup(self) -> None:
        self.mode = losses.normalization(self.options, losses.BATCH_SIZE)
        self.ignore = losses.ignored(self.options)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        super().shapes(bottoms)
        scores, targets = map(count, bottoms)
        if scores is not None and targets is not None and scores != targets:
            raise self.fail(
                "there must be one target for each score",
                received=f"{shape_text(bottoms[0])} and {shape_text(bottoms[1])}",
                remedy="give both bottoms the same shape",
            )
        return [()]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        scores = full(bottoms[0])
        targets = bottoms[1].reshape(scores.shape).to(scores.dtype)
        terms = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        if self.ignore != losses.NEVER:
            terms = terms.masked_fill(targets.long() == self.ignore, 0)
        return [losses.normalized(terms.sum(), self.mode, scores.shape[0], targets.long(), self.ignore)]
