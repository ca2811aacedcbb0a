"""Limited-memory BFGS on many convex problems at once, for losses of linear answers with an L2 penalty.

The problems share their rows, so one matrix product serves all of them. Along a step the answers of all rows move on
a straight line, so the line search costs no product at all. Steps start from the diagonal of the Hessian, which says
most in the coordinates of ``basis``.

Two-loop recursion: J. Nocedal, Updating quasi-Newton matrices with limited storage, Mathematics of Computation 35
(1980). Conditions on a step: the curvature condition of Wolfe, and that the objective has not risen by more than its
rounding (W. Hager and H. Zhang, SIAM Journal on Optimization 16, 2005).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from caffelungo.probes.principal_axes import Basis

HISTORY = 10
"""Pairs of steps and changes of gradient kept."""
NEAR = 0.1
"""Share of what a tolerance allows that a step may still promise: what it promises is an estimate."""
TELLING = 5
"""Pairs from which on a step's promise is believed: the diagonal alone promises too little."""
ROUNDING = 16
"""Length of a gradient that is rounding, in epsilons of the type: rows have a length of 1 and weights sum to 1."""
TRIES = 20
"""Lengths tried along one step."""
FLATTER = 0.5
"""Share of the slope at its start that may be left at a step's end."""


class LossPoint(Protocol):
    """A loss at answers N x P x C: what the solver asks of it. Weights of rows sum to 1 in each problem."""

    value: Tensor
    """P: the loss."""

    def residual(self) -> Tensor:
        """N x P x C: the derivative of the loss by the answers."""

    def curvature(self) -> Tensor:
        """P x C: the second derivative by the answers of one class, summed over rows."""

    def bend(self, change: Tensor) -> Tensor:
        """P: the second derivative of the loss along ``change``, N x P x C."""


class ConvexLoss(Protocol):
    """A convex loss of answers, with the targets and weights of all problems inside."""

    def at(self, answers: Tensor) -> LossPoint:
        """The loss where the rows' answers are ``answers``, N x P x C."""


@dataclass(frozen=True)
class Minimum:
    """Where the solver stopped: coefficients (R + 1) x P x C, answers N x P x C, and of each problem the steps taken,
    the gradient's length as a share of its penalty's part, and whether that is small enough (``minimise``).
    """

    coefficients: Tensor
    answers: Tensor
    iterations: Tensor
    gradient: Tensor
    converged: Tensor


def minimise(
    basis: Basis, loss: ConvexLoss, penalty: Tensor, start: Tensor, free: Tensor, tolerance: float, iterations: int
) -> Minimum:
    """The least loss + penalty/2 |W|^2 of P problems, from coefficients ``start`` (R + 1) x P x C; the bias is free.

    ``penalty`` (P) is positive. Classes that are not ``free`` (P x C) keep their coefficients. A problem has converged
    where the objective f is within tolerance^2 f of the least, which is detected in one of three ways:

    - the gradient is at most ``tolerance`` times as long as the penalty's part of it, penalty |W|. The penalty makes
      f strongly convex, so that this bounds f (S. Boyd and L. Vandenberghe, Convex Optimization, 9.1.2; the bias
      taken to be at its best);
    - where the rows and not the penalty hold W, that asks for far too much. There the quasi-Newton step d estimates
      what there is to gain, -d g/2 (the Newton decrement, the same, 9.5.1); it has to be ``NEAR`` times the allowed;
    - the gradient is shorter than ``ROUNDING`` of the type: it is noise.

    A problem that reaches ``iterations`` before, or finds no descent, has not converged.
    """
    solver = _Solver(basis, loss, penalty, start, free)
    used = torch.zeros(len(penalty), dtype=torch.long, device=start.device)
    done = solver.level(tolerance)
    live = ~done
    for _ in range(iterations):
        if not bool(live.any()):
            break
        direction = solver.direction()
        done |= live & solver.promises_little(direction, tolerance)
        live &= ~done
        used += live
        live = solver.step(direction, live)
        done |= live & solver.level(tolerance)
        live &= ~done
    length, pull = solver.lengths()
    return Minimum(solver.coefficients, solver.answers, used, length / pull.clamp_min(1e-30), done)


class _Solver:
    def __init__(self, basis: Basis, loss: ConvexLoss, penalty: Tensor, start: Tensor, free: Tensor) -> None:
        self.rows, self.loss, self.free = basis.rows, loss, free
        self.spectrum = basis.spectrum[:, None, None]
        # The penalty of each coefficient: none for the bias, which is the last.
        self.penalty = penalty[None, :, None].repeat(basis.width, 1, 1)
        self.penalty[-1] = 0
        self.coefficients = start.clone()
        self.answers = self.products(start)
        self.point = loss.at(self.answers)
        self.gradient = self.slope_at(self.point, start)
        self.pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=HISTORY)
        self.fresh = torch.ones_like(penalty, dtype=torch.bool)  # no pair says anything yet

    def products(self, coefficients: Tensor) -> Tensor:
        """Answers N x P x C."""
        return (self.rows @ coefficients.flatten(1)).view(len(self.rows), *coefficients.shape[1:])

    def slope_at(self, point: LossPoint, coefficients: Tensor) -> Tensor:
        """The gradient, (R + 1) x P x C."""
        gradient = (self.rows.T @ point.residual().flatten(1)).view_as(coefficients)
        return gradient.addcmul_(self.penalty, coefficients).mul_(self.free)

    def lengths(self) -> tuple[Tensor, Tensor]:
        """P each: how long the gradient is, and the penalty's part of it."""
        pull = self.penalty * self.coefficients * self.free
        return _dot(self.gradient, self.gradient).sqrt(), _dot(pull, pull).sqrt()

    def promises_little(self, direction: Tensor, tolerance: float) -> Tensor:
        """P: whether the step ``direction``, once pairs tell of the Hessian, would hardly lower the objective."""
        if len(self.pairs) < TELLING:
            return torch.zeros_like(self.fresh)
        objective = self.point.value + _dot(self.penalty * self.coefficients, self.coefficients) / 2
        return -_dot(direction, self.gradient) / 2 <= NEAR * tolerance**2 * objective

    def level(self, tolerance: float) -> Tensor:
        """P: whether the gradient is short against the penalty's part, or noise."""
        length, pull = self.lengths()
        return length <= (tolerance * pull).clamp_min(ROUNDING * torch.finfo(length.dtype).eps)

    def preconditioner(self) -> Tensor:
        """The inverse of the Hessian's diagonal in each direction, were rows and curvatures independent."""
        curvature = self.point.curvature()
        floor = 1e-3 * curvature.amax(1, keepdim=True).clamp_min(1e-6)
        return 1 / (torch.maximum(curvature, floor) * self.spectrum + self.penalty).clamp_min(1e-12)

    def direction(self) -> Tensor:
        """The quasi-Newton step, (R + 1) x P x C."""
        inverse = self.preconditioner()
        q = self.gradient.clone()
        shares = []
        for step, change, rho in reversed(self.pairs):
            share = rho * _dot(step, q)
            shares.append(share)
            q.addcmul_(change, share[None, :, None], value=-1)
        q *= inverse
        if self.pairs:
            step, change, rho = self.pairs[-1]
            ratio = 1 / (rho * _dot(change, inverse * change))
            q *= torch.where(rho > 0, ratio, 1.0)[None, :, None]
        for (step, change, rho), share in zip(self.pairs, reversed(shares), strict=True):
            q.addcmul_(step, (share - rho * _dot(change, q))[None, :, None])
        step = q.neg_()
        # Where rounding spoilt the pairs, the diagonal alone still leads down.
        up = _dot(step, self.gradient) >= 0
        return torch.where(up[None, :, None], -inverse * self.gradient, step)

    def step(self, direction: Tensor, live: Tensor) -> Tensor:
        """A step along ``direction`` of the problems that are ``live``; P: which of them may go on."""
        step = direction * live[None, :, None]
        length, found, point, answers = self.search(step, live)
        step *= length[None, :, None]
        coefficients = self.coefficients + step
        gradient = self.slope_at(point, coefficients)
        change = gradient - self.gradient
        product = _dot(step, change)
        enough = product > torch.finfo(product.dtype).eps * (_dot(step, step) * _dot(change, change)).sqrt()
        # A problem that found no step forgets its pairs and tries once more from the diagonal.
        for _, _, rho in self.pairs:
            rho *= found
        self.pairs.append((step, change, torch.where(enough, 1 / product, 0.0)))
        self.coefficients, self.answers, self.point, self.gradient = coefficients, answers, point, gradient
        again = live & (found | ~self.fresh)
        self.fresh = ~found
        return again

    def search(self, step: Tensor, live: Tensor) -> tuple[Tensor, Tensor, LossPoint, Tensor]:
        """Lengths (P) along ``step`` that satisfy the conditions, which problems found one, and the loss there."""
        change = self.products(step)
        square = (self.penalty * step * step).sum((0, 2))
        cross = (self.penalty * step * self.coefficients).sum((0, 2))
        falls = _dot(step, self.gradient)
        before = self.point.value
        rounding = 16 * torch.finfo(before.dtype).eps * before.abs().clamp_min(1e-3)
        length = live.to(step.dtype)
        low, high = torch.zeros_like(length), torch.full_like(length, torch.inf)
        found = ~live
        for tries in range(TRIES):
            answers = torch.addcmul(self.answers, change, length[:, None])
            point = self.loss.at(answers)
            slope = (point.residual() * change).sum((0, 2)) + cross + length * square
            risen = point.value - before + length * (cross + length * square / 2) > rounding
            found = ~live | ((slope.abs() <= FLATTER * falls.abs()) & ~(risen & (slope > 0)))
            if tries == TRIES - 1 or bool(found.all()):
                break
            low = torch.where(slope < 0, length, low)
            high = torch.where(slope < 0, high, length)
            newton = length - slope / (point.bend(change) + square).clamp_min(1e-30)
            middle = torch.where(high.isinf(), 2 * length, (low + high) / 2)
            inside = (newton > low) & (newton < high) & (newton < 10 * length)
            length = torch.where(found, length, torch.where(inside, newton, middle))
        if not bool(found.all()):
            length = torch.where(found, length, 0.0)
            answers = torch.addcmul(self.answers, change, length[:, None])
            point = self.loss.at(answers)
        return length, found & live, point, answers


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """P: the products of two (R + 1) x P x C, problem by problem."""
    return (a * b).sum(0).sum(1)  # several times as fast as einsum, which copies both
