"""MultinomialLogisticLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import losses
from caffelungo.layers.base import ClassNumbers, Loss, Shape, State, count
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class MultinomialLogisticLoss(Loss):
    """-sum of log(max(p[label], 1e-20)) / N, of probabilities; SoftmaxWithLoss takes scores and is to be preferred.

    Bottoms: probabilities (N x classes), labels (N). Top: a scalar.
    Caffe: MultinomialLogisticLossLayer.
    """

    type = "MultinomialLogisticLoss"
    class_loss = True
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        losses.check_labels(self, [(*bottoms[0][:1], None), bottoms[1]], 1)
        return super().shapes(bottoms)

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers:
        return ClassNumbers(1, None if not bottoms[0] else count(bottoms[0][1:]))

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        probabilities, labels = losses.side_by_side(full(bottoms[0]).flatten(1), bottoms[1], 1)
        labels, outside = losses.within(labels, probabilities.shape[1])
        chosen = probabilities.gather(1, labels.unsqueeze(1))
        return [losses.poisoned(-chosen.clamp(min=1e-20).log().sum() / probabilities.shape[0], outside)]
