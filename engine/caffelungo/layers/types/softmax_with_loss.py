"""SoftmaxWithLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import losses
from caffelungo.layers.base import ClassNumbers, Loss, Shape, State
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class SoftmaxWithLoss(Loss):
    """Multinomial logistic loss of the softmax of the scores: -sum of log(softmax(x)[label]) / normalizer.

    Bottoms: scores with classes on `axis` (`softmax_param`), labels (one for each other position). Top: a scalar.
    The normalizer (`loss_param.normalization`) counts labels other than ignore_label (VALID), all labels (FULL),
    samples (BATCH_SIZE) or nothing (NONE), and is 1 at least. `lungo { label_smoothing: e }` spreads the share e of
    each target evenly over the classes. Computed from the logarithm of the softmax, so it never saturates
    (Caffe: at -log(FLT_MIN) = 87.3).
    Caffe: SoftmaxWithLossLayer.
    """

    type = "SoftmaxWithLoss"
    options_field = "loss_param"
    more_options = ("softmax_param", "lungo.label_smoothing")
    class_loss = True
    answer = "Softmax"
    operations_each = 4
    bvlc = True

    def setup(self) -> None:
        self.along = int(self.param.softmax_param.axis)
        self.mode = losses.normalization(self.options, losses.VALID)
        self.ignore = losses.ignored(self.options)
        self.smoothing = float(self.param.lungo.label_smoothing)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        axis = self.axis(self.along, len(bottoms[0]), path="")
        tops = super().shapes(bottoms)
        losses.check_labels(self, bottoms, axis)
        return tops

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers:
        return losses.class_numbers(bottoms, self.along, self.options)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        scores, labels = losses.side_by_side(full(bottoms[0]), bottoms[1], self.along)
        labels, outside = losses.within(labels, scores.shape[1], self.ignore)
        total = F.cross_entropy(
            scores, labels, ignore_index=self.ignore, reduction="sum", label_smoothing=self.smoothing
        )
        total = losses.normalized(total, self.mode, scores.shape[0], labels, self.ignore)
        return [losses.poisoned(total, outside)]
