"""RegressionScore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import regression
from caffelungo.layers.base import Arity, Layer, Shape, State, count
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class RegressionScore(Layer):
    """How near predicted numbers are to their targets, for each output: MAE, RMSE and R2.

    MAE is the mean absolute difference, RMSE the root of the mean squared one, in the unit of the targets. R2 is
    1 - (sum of squared differences) / (sum of squared differences of the targets from their mean): 1 is perfect, 0 as
    good as always answering the mean. Where all targets are equal it is 1 if there is no error, else 0 (scikit-learn).
    A test gives them for all of its samples together, not as means over batches.
    Bottoms: predictions, targets, equally many. Tops: MAE; optionally RMSE; optionally R2; one number per output each.
    Source: scikit-learn's mean_absolute_error, root_mean_squared_error and r2_score, multioutput="raw_values".
    """

    type = "RegressionScore"
    bottoms = Arity(2)
    tops = Arity(1, 3)
    differentiable = False
    labels = (0, 1)
    measures = True
    chooses = True
    whole_test = True
    keeps_rows = True
    lower_is_better = (0, 1)

    def setup(self) -> None:
        self.count = len(self.param.top)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        regression.same_size(self, bottoms)
        return [(count(bottoms[0][1:]),)] * self.count

    def test_sums(self, bottoms: Sequence[Tensor]) -> Tensor:
        import torch

        predicted = bottoms[0].detach().double().reshape(bottoms[0].shape[0], -1)
        return torch.stack([predicted, bottoms[1].detach().double().reshape(predicted.shape)], 1)

    def from_sums(self, sums: Tensor) -> Sequence[Tensor]:
        return self.measures_of(sums)[: self.count]

    def measures_of(self, sums: Tensor) -> Sequence[Tensor]:
        """MAE, RMSE and R2, of each output."""
        predicted, targets = sums.unbind(1)
        error = (predicted - targets).abs()
        square = error.square().mean(0)
        spread = (targets - targets.mean(0)).square().mean(0)
        # What rounding leaves of equal targets is no spread.
        differ = targets.amax(0) > targets.amin(0)
        r2 = (1 - square / spread.where(differ, spread.new_ones(()))).where(differ, (square == 0).to(square.dtype))
        return [error.mean(0), square.sqrt(), r2]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        return [top.to(full(bottoms[0]).dtype) for top in self.from_sums(self.test_sums(bottoms))]
