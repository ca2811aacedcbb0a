"""PairScore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.bounds import POSITIVE
from caffelungo.layers import pair_measures
from caffelungo.layers.base import Arity, Layer, Option, Shape, State, count, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class PairScore(Layer):
    """How well the distance of two vectors tells pairs that belong together: AUC, equal error rate, accuracy.

    AUC is the area below the ROC curve of accepting pairs up to a distance; the equal error rate is where as many pairs
    together are refused as pairs apart accepted; accuracy is the share of pairs that are told right where those up to
    the distance `threshold` are accepted. A test gives them for all of its pairs together.
    Bottoms: a and b (N x C), similarity (N; 0: apart), as of ContrastiveLoss. Tops: AUC; optionally the equal error
    rate; optionally the accuracy.
    Source: Fawcett 2006, An introduction to ROC analysis; scikit-learn's roc_auc_score.
    """

    type = "PairScore"
    bottoms = Arity(3)
    tops = Arity(1, 3)
    own_options = (
        Option("threshold", 0.5, "Distance up to which two vectors belong together.", POSITIVE),
    )  # fmt: skip
    differentiable = False
    labels = (0, 1, 2)
    measures = True
    chooses = True
    whole_test = True
    keeps_rows = True
    lower_is_better = (1,)

    def setup(self) -> None:
        self.count = len(self.param.top)
        self.threshold = float(self.own.threshold)

    def learn_threshold(self, threshold: float) -> None:
        """Take the ``threshold`` of the weights, where the file says none."""
        if not self.own.HasField("threshold"):
            self.threshold = threshold

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        left, right = (count(shape[1:]) for shape in bottoms[:2])
        pairs, similar = bottoms[0][0] if bottoms[0] else 1, count(bottoms[2])
        if (left is not None and right is not None and left != right) or (pairs and similar and pairs != similar):
            raise self.fail(
                "the pairs must have the same size, and one similarity each",
                received=", ".join(map(shape_text, bottoms)),
                remedy="give N x C, N x C and N",
            )
        return [()] * self.count

    def test_sums(self, bottoms: Sequence[Tensor]) -> Tensor:
        import torch

        left, right = (full(bottom.detach()).flatten(1).double() for bottom in bottoms[:2])
        return torch.stack([(left - right).square().sum(1).sqrt(), bottoms[2].detach().double().reshape(-1)], 1)

    def from_sums(self, sums: Tensor) -> Sequence[Tensor]:
        distance, same = sums.unbind(1)
        tops = [pair_measures.area(distance, same)]
        if self.count > 1:
            tops.append(pair_measures.equal_error_rate(distance, same))
        if self.count > 2:
            tops.append(pair_measures.accuracy(distance, same, self.threshold))
        return tops

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [top.to(full(bottoms[0]).dtype) for top in self.from_sums(self.test_sums(bottoms))]
