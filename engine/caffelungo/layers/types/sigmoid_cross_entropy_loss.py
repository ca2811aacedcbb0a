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

    `positive_gamma: a negative_gamma: b margin: m` is the asymmetric loss: the term t log(p) is multiplied by
    (1 - p)^a, and (1 - t) log(1 - p) becomes (1 - t) q^b log(1 - q) with q = max(p - m, 0), so that negative targets
    that are easy count little, and those below the margin not at all. Its authors take 1, 4 and 0.05, and the sum over
    samples and outputs (`loss_param { normalization: NONE }`); here it is divided by the number of samples.

    Caffe: SigmoidCrossEntropyLossLayer.
    Source: Cui et al. 2019, equation 4; Lin et al. 2017, equations 4 and 5; Ridnik et al. 2021 (Asymmetric Loss,
    arXiv 2009.14119), equations 4 to 7.
    """

    type = "SigmoidCrossEntropyLoss"
    options_field = "loss_param"
    more_options = ("lungo.label_smoothing",)
    own_options = (
        *class_balance.OPTIONS,
        Option("class_count", 0, "Targets of each output that are 1, in the training data; where it is missing, they "
               "are counted before the first iteration.", Bounds(0), repeated=True),
        Option("other_count", 0, "Targets of each output that are 0, likewise.", Bounds(0), repeated=True),
        Option("positive_gamma", 0.0, "Asymmetric loss: the exponent of 1 - p for targets that are 1.",
               Bounds(0, usual="1")),
        Option("negative_gamma", 0.0, "Asymmetric loss: the exponent of p for targets that are 0.",
               Bounds(0, usual="4")),
        Option("margin", 0.0, "Asymmetric loss: what is taken off p for targets that are 0.",
               Bounds(0, 1, below=True, usual="0.05")),
    )  # fmt: skip
    class_lists = (*ClassBalanced.class_lists, "other_count")
    label_loss = True
    answer = "Sigmoid"
    operations_each = 5
    bvlc = True

    def setup(self) -> None:
        self.ignore = losses.ignored(self.options)
        self.smoothing = float(self.param.lungo.label_smoothing)
        self.read_balance()
        self.exponents = float(self.own.positive_gamma), float(self.own.negative_gamma)
        self.margin = float(self.own.margin)
        self.asymmetric = bool(any(self.exponents) or self.margin)
        if self.asymmetric and self.gamma:
            raise self.fail(
                "the focal loss and the asymmetric loss exclude each other",
                received=f"focal_gamma: {self.gamma:g} with positive_gamma, negative_gamma or margin",
                remedy="remove `focal_gamma`: positive_gamma and negative_gamma alike are the focal loss",
                path="focal_gamma",
            )
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
        if self.asymmetric:
            terms = self.asymmetric_terms(scores, aims, weights)
        else:
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

    def asymmetric_terms(self, scores: Tensor, aims: Tensor, weights: Tensor | None) -> Tensor:
        """The asymmetric loss of each target."""
        import torch
        import torch.nn.functional as F

        positive, negative = self.exponents
        p = scores.sigmoid()
        q = (p - self.margin).clamp(min=0)
        yes, no = -aims * F.logsigmoid(scores), -(1 - aims)
        # Without a margin the logarithm of 1 - p is known more exactly than 1 - p.
        no = no * (torch.log1p(-q) if self.margin else F.logsigmoid(-scores))
        if positive:
            yes = yes * losses.above_0(1 - p) ** positive
        if negative:
            no = no * losses.above_0(q) ** negative
        return (yes * weights if weights is not None else yes) + no
