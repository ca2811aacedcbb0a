"""Multinomial logistic regression with an L2 penalty: the linear probe of the literature, several of them at once.

The objective of one problem is sum_i w_i CE(softmax(W x_i + b), y_i) + penalty/2 |W|^2; the bias has no penalty. It is
scikit-learn's LogisticRegression with C = 1/penalty, and the probe of S. Kornblith, J. Shlens and Q. V. Le, Do better
ImageNet models transfer better? (CVPR 2019), whose penalties are on this sum, too.
"""

from __future__ import annotations

from functools import cached_property, partial

import torch
from torch import Tensor

from caffelungo.probes import weighted_problems
from caffelungo.probes.lbfgs import Minimum, minimise
from caffelungo.probes.weighted_problems import Problems


def solve(given: Problems, penalty: Tensor, start: Tensor, tolerance: float, iterations: int) -> Minimum:
    """The least objectives of ``given`` for penalties (P) on the sum, from ``start``, (R + 1) x P x C."""
    loss = CrossEntropy(given.y, given.weights)
    return minimise(given.basis, loss, given.penalty(penalty), start, given.seen, tolerance, iterations)


fit = partial(weighted_problems.fit, solve)
"""Of P problems: see ``weighted_problems.fit``."""


class CrossEntropy:
    """The weighted mean of -log softmax(z)[y]: a ``lbfgs.ConvexLoss`` of labels ``y`` (N) and weights N x P."""

    def __init__(self, y: Tensor, weights: Tensor) -> None:
        self.y, self.weights = y[:, None, None], weights[:, :, None]

    def at(self, answers: Tensor) -> _CrossEntropyAt:
        return _CrossEntropyAt(self, answers)


class _CrossEntropyAt:
    def __init__(self, loss: CrossEntropy, answers: Tensor) -> None:
        self.loss = loss
        logs = answers.log_softmax(2)
        self.labels = loss.y.expand(-1, answers.shape[1], 1)
        self.value = -(logs.gather(2, self.labels) * loss.weights).sum((0, 2))
        # Shares that no sum notices are 0: below the least normal number, products would take ten times as long.
        self.shares = torch.threshold_(logs.exp_(), torch.finfo(logs.dtype).tiny ** 0.5, 0.0)

    @cached_property
    def _residual(self) -> Tensor:
        residual = self.shares * self.loss.weights
        return residual.scatter_add_(2, self.labels, -self.loss.weights)

    def residual(self) -> Tensor:
        return self._residual

    def curvature(self) -> Tensor:
        return ((self.shares - self.shares.square()) * self.loss.weights).sum(0)

    def bend(self, change: Tensor) -> Tensor:
        moved = self.shares * change
        mean = moved.sum(2, keepdim=True)
        return ((moved * change).sum(2, keepdim=True).sub_(mean.square()) * self.loss.weights).sum((0, 2))
