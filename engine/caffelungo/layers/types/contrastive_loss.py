"""ContrastiveLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Arity, Loss, Shape, State, count, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class ContrastiveLoss(Loss):
    """Draws similar pairs together and drives others apart up to a margin.

    With d the distance of a pair: sum of (d^2 if similar, else max(margin - d, 0)^2) / (2 N); with legacy_version
    max(margin - d^2, 0) for the others.
    Bottoms: a and b (N x C), similarity (N; 0: not similar). Top: a scalar.
    Caffe: ContrastiveLossLayer (its gradient divides by d + 1e-4, so it is finite at d = 0); Hadsell et al. 2006.
    """

    type = "ContrastiveLoss"
    bottoms = Arity(3)
    options_field = "contrastive_loss_param"
    labels = (2,)
    bvlc = True

    def setup(self) -> None:
        self.margin, self.legacy = float(self.options.margin), bool(self.options.legacy_version)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        super().shapes(bottoms)
        left, right = (count(shape[1:]) for shape in bottoms[:2])
        pairs, similar = bottoms[0][0] if bottoms[0] else 1, count(bottoms[2])
        if (left is not None and right is not None and left != right) or (pairs and similar and pairs != similar):
            raise self.fail(
                "the pairs must have the same size, and one similarity each",
                received=", ".join(map(shape_text, bottoms)),
                remedy="give N x C, N x C and N",
            )
        return [()]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        left, right = (full(bottom).flatten(1) for bottom in bottoms[:2])
        square = (left - right).square().sum(1)
        if self.legacy:
            apart = (self.margin - square).clamp(min=0)
        else:
            root = square.detach().sqrt()
            distance = root + (square - square.detach()) / (2 * (root + 1e-4))
            apart = (self.margin - distance).clamp(min=0).square()
        similar = bottoms[2].reshape(-1) != 0
        return [square.where(similar, apart).sum() / (2 * left.shape[0])]
