"""SigmoidCrossEntropyLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.bounds import Bounds
from caffelungo.layers import class_balance, losses
from caffelungo.layers.base import LayerError, Option, Shape, State, count, shape_text
from caffelungo.layers.class_balance import ClassBalanced
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor


@register
class SigmoidCrossEntropyLoss(ClassBalanced):
    """Cross-entropy of sigmoid(x) with targets t: -sum of t log(p) + (1 - t) log(1 - p), divided by a normalizer.

    Bottoms: scores, targets in [0, 1], equally many. Top: a scalar. The normalizer is the number of samples unless
    `loss_param.normalization` says otherwise; targets whose integer part is ignore_label are passed over.
    `lungo { label_smoothing: e }` moves targets towards 1/2: t (1 - e) + e / 2.

    A class is an output (axis 1). For outputs that are rarely 1,
    `lungo { sigmoid_cross_entropy_loss { class_weights: inverse } }` multiplies t log(p) by how many targets of that
    output are 0 for each that is 1, `effective` by the ratio of their effective numbers, `class_weight` by a number for
    each output. VALID then divides by the sum of the weights t w + 1 - t. `focal_gamma: g` multiplies each term by
    |t - p|^g.

    Caffe: SigmoidCrossEntropyLossLayer.
    Source: Cui et al. 2019, equation 4; Lin et al. 2017, equations 4 and 5.
    """

    type = "SigmoidCrossEntropyLoss"
    options_field = "loss_param"
    more_options = ("lungo.label_smoothing",)
    own_options = (
        *class_balance.OPTIONS,
        Option("class_count", 0, "Targets of each output that are 1, in the training data; where it is missing, they "
               "are counted before the first iteration.", Bounds(0), repeated=True),
        Option("other_count", 0, "Targets of each output that are 0, likewise.", Bounds(0), repeated=True),
    )  # fmt: skip
    class_lists = (*ClassBalanced.class_lists, "other_count")
    answer = "Sigmoid"
    operations_each = 5
    bvlc = True

    def setup(self) -> None:
        self.ignore = losses.ignored(self.options)
        self.smoothing = float(self.param.lungo.label_smoothing)
        self.read_balance()
        self.mode = losses.normalization(self.options, losses.BATCH_SIZE, self.weighted)

    def learn_counts(self, counts: Sequence[int]) -> None:
        """``counts``: targets of each output that are 1; those that are 0 are in ``other_count``."""
        self.counts, self.others = tuple(counts), tuple(self.own.other_count)
        if len(counts) == len(self.others) and self.by != class_balance.NONE and counts:
            self.weights = class_balance.positive(counts, self.others, self.by, self.beta)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        super().shapes(bottoms)
        scores, targets = map(count, bottoms)
        if scores is not None and targets is not None and scores != targets:
            raise self.fail(
                "there must be one target for each score",
                received=f"{shape_text(bottoms[0])} and {shape_text(bottoms[1])}",
                remedy="give both bottoms the same shape",
            )
        outputs = bottoms[0][1] if len(bottoms[0]) > 1 else 1
        mistakes = list(self.count_mistakes(outputs))
        if len(self.own.class_count) != len(self.own.other_count):
            mistakes.append(
                self.fail(
                    "`class_count` and `other_count` must be given together",
                    received=f"{len(self.own.class_count)} and {counted(len(self.own.other_count), 'number')}",
                    remedy="give both for each output, or neither",
                    path="class_count" if self.own.class_count else "other_count",
                )
            )
        LayerError.raise_all(mistakes)
        return [()]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        scores = full(bottoms[0])
        targets = bottoms[1].reshape(scores.shape).to(scores.dtype)
        weights = None
        if self.weights is not None:
            column = class_balance.on_device(self.weights, scores)
            weights = column.reshape(-1, *[1] * (scores.dim() - 2)) if scores.dim() > 1 else column
        aims = targets * (1 - self.smoothing) + self.smoothing / 2 if self.smoothing else targets
        terms = F.binary_cross_entropy_with_logits(scores, aims, reduction="none", pos_weight=weights)
        if self.gamma:
            terms = terms * losses.above_0((aims - scores.sigmoid()).abs()) ** self.gamma
        each = targets * weights + 1 - targets if weights is not None else None
        if self.ignore != losses.NEVER:
            passed = targets.long() == self.ignore
            terms = terms.masked_fill(passed, 0)
            each = each.masked_fill(passed, 0) if each is not None else None
        if each is not None and self.mode == losses.VALID:
            return [losses.by_sum(terms.sum(), each)]
        return [losses.normalized(terms.sum(), self.mode, scores.shape[0], targets.long(), self.ignore)]
