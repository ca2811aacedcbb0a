"""Several classifications of the same rows, by weights of rows and by penalties, and what solving them gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.probes import array_checks
from caffelungo.probes.lbfgs import Minimum
from caffelungo.probes.principal_axes import Basis, basis_of

ABSENT = -1e4
"""The bias of a class that no row of a problem has: a probability of 0 in every floating point type."""
TOLERANCE = 1e-3
"""How near a classifier is that has converged: its objective is within the square of this of the least."""
ITERATIONS = 1000


@dataclass(frozen=True)
class Fitted:
    """P linear classifiers of D features and C classes: ``weight`` P x C x D, ``bias`` P x C, answers W x + b.

    ``gradient`` (P) is the length of the gradient at the end as a share of the penalty's part of it; ``converged`` (P)
    says whether the objective came near enough to the least (``lbfgs.minimise``) in the ``iterations`` (P) taken.
    """

    weight: Tensor
    bias: Tensor
    iterations: Tensor
    gradient: Tensor
    converged: Tensor

    def answers(self, x: Tensor) -> Tensor:
        """W x + b of each classifier: P x N x C of features N x D."""
        return torch.tensordot(x, self.weight, ([1], [2])).movedim(0, 1) + self.bias[:, None]


@dataclass(frozen=True)
class Problems:
    """P problems of C classes over the N rows of a basis, with labels ``y``.

    ``weights`` N x P sum to 1 in each problem; ``rows`` (P) is what they summed to. ``seen`` (P x C) are the classes
    that some row of a problem has.
    """

    basis: Basis
    y: Tensor
    weights: Tensor
    rows: Tensor
    seen: Tensor

    @classmethod
    def of(cls, basis: Basis, y: Tensor, classes: int, weights: Tensor) -> Problems:
        """The problems of weights N x P, as many as there are columns."""
        rows = weights.sum(0)
        held = weights.new_zeros(classes, weights.shape[1]).index_add_(0, y, weights)
        return cls(basis, y, weights / rows, rows, held.T > 0)

    def penalty(self, penalty: Tensor) -> Tensor:
        """P: what weighs |W|^2 against the mean loss in the coordinates of the basis, of penalties on the sum."""
        return penalty / (self.rows * self.basis.scale**2)

    def start(self, coefficients: Tensor | None = None) -> Tensor:
        """(R + 1) x P x C: zero, or ``coefficients``, and the classes that are not seen set apart."""
        shape = (self.basis.width, *self.seen.shape)
        first = self.weights.new_zeros(shape) if coefficients is None else coefficients.clone()
        first[:, ~self.seen] = 0
        first[-1, ~self.seen] = ABSENT
        return first


Solve = Callable[[Problems, Tensor, Tensor, float, int], Minimum]
"""(problems, penalties P on the sum, start, tolerance, iterations) -> the least objectives, all per problem."""


def fit(
    solve: Solve,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    classes: int,
    penalty: Tensor | ArrayLike | float,
    weights: Tensor | ArrayLike | None = None,
    start: Fitted | None = None,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Fitted:
    """P classifiers by ``solve`` of features ``x`` N x D with labels ``y`` N, one for each penalty (P or one) and row
    of ``weights`` P x N.

    Works in float32 or float64, as ``x``, and on its device. ``start`` is where to begin. A class whose rows have no
    weight in a problem gets no coefficients and the bias ``ABSENT`` there. UserError, all at once, for arrays that do
    not fit, features that are not finite and labels that are no class.
    """
    x, y = array_checks.rows_and_labels(x, y, classes)
    penalty = array_checks.penalties(penalty, x)
    each = array_checks.row_weights(weights, len(penalty), x)
    if len(penalty) == 1 and each.shape[1] > 1:
        penalty = penalty.expand(each.shape[1])
    basis = basis_of(x)
    problems = Problems.of(basis, y, classes, each)
    first = None
    if start is not None:
        if start.weight.shape != (len(penalty), classes, x.shape[1]):
            raise UserError(
                "a start has a classifier for each problem, of the same classes and features",
                received=" x ".join(map(str, start.weight.shape)),
                remedy=f"give {len(penalty)} x {classes} x {x.shape[1]}",
            )
        first = basis.forth(start.weight.to(x), start.bias.to(x))
    found = solve(problems, penalty, problems.start(first), tolerance, iterations)
    weight, bias = basis.back(found.coefficients)
    return Fitted(weight, bias, found.iterations, found.gradient, found.converged)
