"""Linear support vector machines with the squared hinge, one class against all others.

The objective of one class is sum_i w_i max(0, 1 - s_i (w x_i + b))^2 + penalty/2 |w|^2 with s_i = 1 for the class and
-1 for all others: scikit-learn's LinearSVC with C = 1/penalty, but for the bias, which has a penalty there (as one
more feature of value ``intercept_scaling``; the larger that value, the closer the two).
"""

from __future__ import annotations

from functools import cached_property, partial

import torch
from torch import Tensor

from caffelungo.probes import weighted_problems
from caffelungo.probes.lbfgs import Minimum, minimise
from caffelungo.probes.weighted_problems import Problems


def solve(given: Problems, penalty: Tensor, start: Tensor, tolerance: float, iterations: int) -> Minimum:
    """The least objectives of ``given`` for penalties (P) on the sum, from ``start``, (R + 1) x P x C.

    Each class is a separate problem to the solver; a classifier took as many iterations as its slowest class.
    """
    count, classes = given.seen.shape
    found = minimise(
        given.basis,
        SquaredHinge(given.y, given.weights, classes),
        given.penalty(penalty).repeat_interleave(classes),
        start.reshape(len(start), -1, 1),
        given.seen.reshape(-1, 1),
        tolerance,
        iterations,
    )
    return Minimum(
        found.coefficients.view_as(start),
        found.answers.view(len(given.y), count, classes),
        found.iterations.view(count, classes).amax(1),
        found.gradient.view(count, classes).amax(1),
        found.converged.view(count, classes).all(1),
    )


fit = partial(weighted_problems.fit, solve)
"""Of P problems, an own machine for each class: see ``weighted_problems.fit``."""


class SquaredHinge:
    """The weighted mean of max(0, 1 - s z)^2 per class: a ``lbfgs.ConvexLoss`` of P x C problems of one answer."""

    def __init__(self, y: Tensor, weights: Tensor, classes: int) -> None:
        sign = torch.full((len(y), classes), -1.0, dtype=weights.dtype, device=weights.device)
        self.sign = sign.scatter_(1, y[:, None], 1.0)[:, None]
        self.weights = weights[:, :, None]

    def at(self, answers: Tensor) -> _SquaredHingeAt:
        return _SquaredHingeAt(self, answers)


class _SquaredHingeAt:
    def __init__(self, loss: SquaredHinge, answers: Tensor) -> None:
        self.loss = loss
        shape = (len(answers), loss.weights.shape[1], loss.sign.shape[2])
        self.short = (1 - loss.sign * answers.view(shape)).clamp_min_(0)
        self.value = self.short.square().mul_(loss.weights).sum(0).flatten()

    @cached_property
    def _residual(self) -> Tensor:
        return (-2 * self.short * self.loss.sign * self.loss.weights).flatten(1)[:, :, None]

    def residual(self) -> Tensor:
        return self._residual

    def curvature(self) -> Tensor:
        return (2 * (self.short > 0) * self.loss.weights).sum(0).flatten()[:, None]

    def bend(self, change: Tensor) -> Tensor:
        square = change.square().view_as(self.short) * (self.short > 0)
        return (2 * square * self.loss.weights).sum(0).flatten()
