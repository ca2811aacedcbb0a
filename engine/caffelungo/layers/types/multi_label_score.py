"""MultiLabelScore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.bounds import Bounds
from caffelungo.layers import label_measures
from caffelungo.layers.base import Arity, Layer, LayerError, Option, Shape, State, count, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor


@register
class MultiLabelScore(Layer):
    """How well scores tell which of several labels each sample has: mean average precision, micro F1 and macro F1.

    Bottoms: scores as SigmoidCrossEntropyLoss reads them, targets, both batch x labels. Targets are 1 or 0; -1 is
    passed over. Tops: the mean over labels of their average precision (the sum of (R_k - R_(k-1)) P_k, as
    scikit-learn's); optionally micro F1, that of all decisions together; optionally macro F1, the mean of the labels'.
    A label is given where sigmoid(score) is at least its threshold, one for all or one for each:
    `lungo { multi_label_score { threshold: 0.3 } }`. Labels without a positive are in no mean over labels. A test
    gives the tops for all of its samples together, not as means over batches.
    Source: scikit-learn's average_precision_score and f1_score.
    """

    type = "MultiLabelScore"
    bottoms = Arity(2)
    tops = Arity(1, 3)
    own_options = (
        Option("threshold", label_measures.EVEN, "Probability from which on a label is given: one for all, or one for "
               "each.", Bounds(0, 1), repeated=True),
    )  # fmt: skip
    class_lists = ("threshold",)
    differentiable = False
    labels = (0, 1)
    measures = True
    chooses = True
    whole_test = True
    keeps_rows = True

    def setup(self) -> None:
        self.count = len(self.param.top)
        self.thresholds = tuple(self.own.threshold) or (label_measures.EVEN,)

    def learn_thresholds(self, thresholds: Sequence[float], bottoms: Sequence[Shape | None]) -> None:
        """Take ``thresholds``, where there is one for each label and the file says none."""
        scores = bottoms[0]
        if len(thresholds) and not self.own.threshold and scores is not None and count(scores[1:]) == len(thresholds):
            self.thresholds = tuple(thresholds)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        scores, targets = (count(shape[1:]) for shape in bottoms)
        mistakes = []
        if scores is not None and targets is not None and scores != targets:
            mistakes.append(
                self.fail(
                    "there must be one target for each score",
                    received=f"{shape_text(bottoms[0])} and {shape_text(bottoms[1])}",
                    remedy="give both bottoms the same number of values per sample",
                )
            )
        if len(self.thresholds) > 1 and scores is not None and len(self.thresholds) != scores:
            mistakes.append(
                self.fail(
                    "there must be one `threshold` for each label, or one for all",
                    received=f"{counted(len(self.thresholds), 'number')} for {counted(scores, 'label')}",
                    remedy=f"write `threshold` once, or {scores} times",
                    path="threshold",
                )
            )
        LayerError.raise_all(mistakes)
        return [()] * self.count

    def test_sums(self, bottoms: Sequence[Tensor]) -> Tensor:
        import torch

        scores = full(bottoms[0].detach()).flatten(1)
        return torch.stack([scores, bottoms[1].detach().reshape(scores.shape).to(scores.dtype)], 1)

    def from_sums(self, sums: Tensor) -> Sequence[Tensor]:
        scores, targets = sums.unbind(1)
        counts = label_measures.f1_counts(scores.sigmoid() >= scores.new_tensor(self.thresholds), targets)
        ap = label_measures.average_precision(scores, targets)
        each = label_measures.label_f1(counts)
        return [label_measures.mean(ap), label_measures.micro_f1(counts), label_measures.mean(each)][: self.count]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [top.to(full(bottoms[0]).dtype) for top in self.from_sums(self.test_sums(bottoms))]
