"""HingeLoss."""

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
class HingeLoss(Loss):
    """One-versus-all hinge loss: sum over classes of max(0, 1 - s x) / N, s = 1 for the label, else -1.

    With norm L2 the sum of the squares. Bottoms: scores (N x classes), labels (N). Top: a scalar.
    Caffe: HingeLossLayer.
    """

    type = "HingeLoss"
    options_field = "hinge_loss_param"
    class_loss = True
    operations_each = 2
    bvlc = True

    def setup(self) -> None:
        self.square = self.options.norm == self.options.L2

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        losses.check_labels(self, [(*bottoms[0][:1], None), bottoms[1]], 1)
        return super().shapes(bottoms)

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers:
        return ClassNumbers(1, None if not bottoms[0] else count(bottoms[0][1:]))

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        scores, labels = losses.side_by_side(full(bottoms[0]).flatten(1), bottoms[1], 1)
        labels, outside = losses.within(labels, scores.shape[1])
        sign = torch.ones_like(scores).scatter(1, labels.unsqueeze(1), -1.0)
        missed = (1 + sign * scores).clamp(min=0)
        total = (missed.square() if self.square else missed).sum() / scores.shape[0]
        return [losses.poisoned(total, outside)]
