"""SoftmaxWithLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.bounds import Bounds
from caffelungo.layers import class_balance, losses, mixed_labels
from caffelungo.layers.base import ClassNumbers, LayerError, Option, Shape, State
from caffelungo.layers.class_balance import ClassBalanced
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class SoftmaxWithLoss(ClassBalanced):
    """Multinomial logistic loss of the softmax of the scores: -sum of log(softmax(x)[label]) / normalizer.

    Bottoms: scores with classes on `axis` (`softmax_param`), labels (one for each other position). Top: a scalar.
    The normalizer (`loss_param.normalization`) counts labels other than ignore_label (VALID), all labels (FULL),
    samples (BATCH_SIZE) or nothing (NONE), and is 1 at least. `lungo { label_smoothing: e }` spreads the share e of
    each target evenly over the classes. Computed from the logarithm of the softmax, so it never saturates
    (Caffe: at -log(FLT_MIN) = 87.3).

    For classes of different sizes, `lungo { softmax_with_loss { class_weights: effective } }` multiplies the term of
    each label by the weight of its class: N / (C n) for `inverse`, in proportion to (1 - beta) / (1 - beta^n) with the
    sum C for `effective`, for n of N samples in C classes. VALID then divides by the sum of the weights of the labels
    that count. `focal_gamma: g` multiplies each term by (1 - p)^g. `logit_adjustment: t` adds t log(n / N) to the
    scores of the loss alone, so that the scores themselves favour no class for its size.

    Where a data layer mixes pictures in pairs (augmentations Mixup and CutMix), it gives both labels of a picture and
    the share of the first; the loss is that of both, weighted by their shares.

    Caffe: SoftmaxWithLossLayer.
    Source: Cui et al. 2019, equations 4 to 8; Lin et al. 2017, equations 4 and 5; Menon et al. 2021, equation 10.
    """

    type = "SoftmaxWithLoss"
    options_field = "loss_param"
    more_options = ("softmax_param", "lungo.label_smoothing")
    own_options = (
        *class_balance.OPTIONS,
        Option("logit_adjustment", 0.0, "Factor of the logarithms of the classes' shares that are added to the scores "
               "of the loss; 1 is the balanced softmax.", Bounds(0, usual="1")),
        Option("class_count", 0, "Samples of each class in the training data; where it is missing, they are counted "
               "before the first iteration.", Bounds(0), repeated=True),
    )  # fmt: skip
    class_loss = True
    takes_mixed_labels = True
    answer = "Softmax"
    operations_each = 4
    bvlc = True
    prior: class_balance.Numbers | None = None

    def setup(self) -> None:
        self.along = int(self.param.softmax_param.axis)
        self.ignore = losses.ignored(self.options)
        self.smoothing = float(self.param.lungo.label_smoothing)
        self.adjustment = float(self.own.logit_adjustment)
        self.read_balance()
        self.mode = losses.normalization(self.options, losses.VALID, self.weighted)
        if self.gamma and self.smoothing:
            raise self.fail(
                "a focal loss with label smoothing is not defined",
                received=f"focal_gamma: {self.gamma:g}, label_smoothing: {self.smoothing:g}",
                remedy="remove `focal_gamma` or `label_smoothing`",
                path="focal_gamma",
            )
        if self.adjustment and self.by != class_balance.NONE:
            raise self.fail(
                "class weights and logit adjustment would correct the sizes of classes twice",
                received=f"class_weights: {self.by}, logit_adjustment: {self.adjustment:g}",
                remedy="remove `class_weights` or `logit_adjustment`",
                path="logit_adjustment",
            )

    @property
    def mean_cross_entropy(self) -> bool:
        """Whether it is a mean over samples of -log p, each with the weight of its class; other scales count apart."""
        return not (self.gamma or self.adjustment or (self.weighted and self.mode != losses.VALID))

    @property
    def wants_counts(self) -> bool:
        return super().wants_counts or bool(self.adjustment)

    def learn_counts(self, counts: Sequence[int]) -> None:
        self.counts = tuple(counts)
        if not any(counts):
            return
        if self.by == class_balance.INVERSE:
            self.weights = class_balance.inverse(counts)
        elif self.by == class_balance.EFFECTIVE:
            self.weights = class_balance.effective(counts, self.beta)
        if self.adjustment:
            self.prior = class_balance.log_shares(counts, self.adjustment)

    def describe_balance(self) -> str:
        return f"logit adjustment {self.adjustment:g}" if self.adjustment else super().describe_balance()

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        axis = self.axis(self.along, len(bottoms[0]), path="")
        tops = super().shapes(bottoms)
        LayerError.raise_all(list(self.count_mistakes(bottoms[0][axis])))
        if not mixed_labels.are_mixed(bottoms[0], bottoms[1], axis):
            losses.check_labels(self, bottoms, axis)
        return tops

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers:
        return losses.class_numbers(bottoms, self.along, self.options)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        batch, shares = bottoms[0].shape[0], None
        scores, labels = full(bottoms[0]), bottoms[1]
        if mixed_labels.are_mixed(scores.shape, labels.shape, self.along):
            scores, labels, shares = mixed_labels.parted(scores, labels)
            shares = shares[:, None]
        scores, labels = losses.side_by_side(scores, labels, self.along)
        labels, outside = losses.within(labels, scores.shape[1], self.ignore)
        weights = None if self.weights is None else class_balance.on_device(self.weights, scores)
        if self.prior is not None:
            scores = scores + class_balance.on_device(self.prior, scores)[:, None]
        if self.gamma:
            total = self.focal(scores, labels, weights, shares)
        else:
            total = F.cross_entropy(
                scores, labels, weights, ignore_index=self.ignore, reduction="sum" if shares is None else "none",
                label_smoothing=self.smoothing,
            )  # fmt: skip
            total = total if shares is None else (total * shares).sum()
        outer = scores.shape[0] if shares is None else batch
        total = losses.normalized(total, self.mode, outer, labels, self.ignore, weights, shares)
        return [losses.poisoned(total, outside)]

    def focal(self, scores: Tensor, labels: Tensor, weights: Tensor | None, shares: Tensor | None = None) -> Tensor:
        """The sum of -w (1 - p)^gamma log p, where p is the probability of the true class, whatever its weight.

        Each term counts with its share, if ``shares`` are given.
        """
        counts = labels != self.ignore
        labels = labels.where(counts, labels.new_zeros(()))
        logs = scores.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
        terms = -logs * losses.missed(logs) ** self.gamma
        if weights is not None:
            terms = terms * weights[labels]
        if shares is not None:
            terms = terms * shares
        return terms.where(counts, terms.new_zeros(())).sum()
