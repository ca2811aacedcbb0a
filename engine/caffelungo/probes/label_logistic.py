"""Logistic regressions of several labels, each against its absence, with one penalty chosen on held-out pictures.

The objective of one label is sum_i w_i CE(sigmoid(w x_i + b), y_i) + penalty/2 |w|^2 over the pictures for which it is
known; the bias has no penalty. It is scikit-learn's LogisticRegression with C = 1/penalty, label by label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from caffelungo.layers.label_measures import UNKNOWN, average_precision, mean
from caffelungo.probes.lbfgs import HISTORY, minimise
from caffelungo.probes.penalty_path import MEMORY, RISEN, TOLERANCE, strongest
from caffelungo.probes.principal_axes import Basis, basis_of
from caffelungo.probes.weighted_problems import ITERATIONS
from caffelungo.probes.weighted_problems import TOLERANCE as EXACT


@dataclass(frozen=True)
class LabelRow:
    """What one penalty gave on pictures held out: the mean cross-entropy of what is known, mean average precision."""

    penalty: float
    loss: float
    ap: float
    converged: bool


@dataclass(frozen=True)
class LabelPath:
    """Rows from the strongest penalty to the weakest that was tried, the ``best`` of them, and its ``scores`` of the
    pictures ``held`` out (H, by number): H x K."""

    rows: tuple[LabelRow, ...]
    best: int
    held: Tensor
    scores: Tensor

    @property
    def penalty(self) -> float:
        return self.rows[self.best].penalty


@dataclass(frozen=True)
class FittedLabels:
    """``weight`` K x D and ``bias`` K of K labels."""

    weight: Tensor
    bias: Tensor
    converged: bool


def fit(x: Tensor, targets: Tensor, penalty: float) -> FittedLabels:
    """One classifier per label of features ``x`` (versions of N pictures, one behind the other) with ``targets`` N x K.

    Each version counts by its share, so that penalties keep their meaning. A label that all pictures have, or none, or
    that is nowhere known, gets no weights, and a bias that says so.
    """
    versions = len(x) // len(targets)
    basis = basis_of(x)
    problems = _Problems(basis, targets.to(x), x.new_full((len(targets), 1), 1 / versions), versions)
    weights, biases, converged = [], [], True
    for part in problems.parts():
        found = part.solve(penalty, EXACT, ITERATIONS)
        weight, bias = basis.back(found)
        weights.append(weight[:, 0])
        biases.append(bias[:, 0])
        converged = converged and part.converged
    return FittedLabels(torch.cat(weights), torch.cat(biases), converged)


def path(
    x: Tensor,
    targets: Tensor,
    held_out: Tensor,
    penalties: Sequence[float],
    patience: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LabelPath:
    """Classifiers for each of ``penalties``, from strong to weak, of features ``x`` N x D with ``targets`` N x K.

    ``held_out`` (N): the fold of each picture (integers), or which judge (bool). One penalty serves all labels: that of
    the least mean cross-entropy, or the strongest within one standard error of it (``penalty_path``). The path ends
    after ``patience`` penalties in a row without a lower loss. A picture judges a label only where the others of its
    fold's classifier have it and lack it: nothing else is learnt.
    """
    targets = targets.to(x)
    single = held_out.dtype == torch.bool
    folds = (held_out.long() - 1 if single else held_out).to(x.device)
    number = 1 if single else int(folds.max()) + 1
    held = (folds >= 0).nonzero().flatten()
    learnt = (folds[:, None] != torch.arange(number, device=x.device)).to(x.dtype)
    problems = list(_Problems(basis_of(x), targets, learnt, 1).parts())
    learnable = torch.cat([one.learnable(folds[held]) for one in problems], 1)
    truth = torch.where(learnable, targets[held], UNKNOWN)
    known = truth >= 0
    rows: list[LabelRow] = []
    losses: list[Tensor] = []
    scores: list[Tensor] = []
    ordered = sorted(penalties, reverse=True)
    for done, penalty in enumerate(ordered, 1):
        answers = torch.cat([one.held_answers(penalty, held, folds[held]) for one in problems], 1)
        each = F.binary_cross_entropy_with_logits(answers, truth.clamp(min=0), reduction="none").where(known, 0)
        # Per picture, so that pictures are what the standard error counts: their sums over the mean number known.
        losses.append((each.sum(1) * len(held) / known.sum().clamp(min=1)).double())
        scores.append(answers)
        ap = float(mean(average_precision(answers, truth)))
        rows.append(LabelRow(penalty, float(losses[-1].mean()), ap, all(one.converged for one in problems)))
        best = min(range(len(rows)), key=lambda at: rows[at].loss)
        if progress:
            progress(done, len(ordered))
        risen = rows[-1].loss > rows[best].loss * (1 + RISEN)
        if patience is not None and risen and len(rows) - 1 - best >= patience:
            break
    choice = strongest(losses, best)
    return LabelPath(tuple(rows), choice, held, scores[choice])


class _Problems:
    """All labels in all folds: a problem for each pair."""

    def __init__(self, basis: Basis, targets: Tensor, learnt: Tensor, versions: int) -> None:
        self.basis, self.targets, self.learnt, self.versions = basis, targets, learnt.to(targets), versions

    def parts(self) -> Sequence[_Part]:
        """The labels in blocks that fit into memory."""
        rows, folds = len(self.basis.rows), self.learnt.shape[1]
        each = self.basis.rows.element_size() * folds * (12 * rows + (2 * HISTORY + 8) * self.basis.width)
        step = max(1, MEMORY // each)
        return [_Part(self, block) for block in self.targets.split(step, 1)]


class _Part:
    """A block of K labels in P folds, and the state of the solver."""

    def __init__(self, problems: _Problems, targets: Tensor) -> None:
        self.basis, self.shape = problems.basis, (targets.shape[1], problems.learnt.shape[1])
        again = problems.versions
        sign = (2 * targets - 1).repeat(again, 1)
        weights = (targets >= 0).to(targets)[:, :, None] * problems.learnt[:, None]
        weights = weights.repeat(again, 1, 1)  # N x K x P
        # At least one: a label that is nowhere known has no row, and a penalty divided by nothing is infinite.
        self.rows = weights.sum(0).flatten().clamp(min=1)
        positive = ((sign > 0)[:, :, None] * weights).sum(0).flatten()
        negative = ((sign < 0)[:, :, None] * weights).sum(0).flatten()
        self.free = ((positive > 0) & (negative > 0))[:, None]
        self.loss = _BinaryCrossEntropy(sign[:, :, None].expand_as(weights).flatten(1), weights.flatten(1) / self.rows)
        odds = torch.log((positive + 0.5) / (negative + 0.5))
        self.coefficients = targets.new_zeros(self.basis.width, len(odds), 1)
        self.coefficients[-1, :, 0] = odds
        self.converged = True
        self.answers = targets.new_zeros(0)

    def solve(self, penalty: float, tolerance: float, iterations: int) -> Tensor:
        """Coefficients (R + 1) x K x P, from where the last solution was."""
        strength = penalty / (self.rows * self.basis.scale**2)
        found = minimise(self.basis, self.loss, strength, self.coefficients, self.free, tolerance, iterations)
        self.coefficients, self.answers = found.coefficients, found.answers.view(-1, *self.shape)
        self.converged = bool((found.converged | ~self.free[:, 0]).all())
        return self.coefficients.view(-1, *self.shape)

    def learnable(self, folds: Tensor) -> Tensor:
        """H x K: whether the classifier that did not learn from these ``folds`` (H) saw the label both ways."""
        return self.free.view(self.shape)[:, folds].T

    def held_answers(self, penalty: float, held: Tensor, folds: Tensor) -> Tensor:
        """H x K: what each picture that is ``held`` gets from the classifier that did not learn from its fold."""
        self.solve(penalty, TOLERANCE, ITERATIONS)
        return self.answers[held, :, folds]


class _BinaryCrossEntropy:
    """The weighted mean of log(1 + exp(-s z)): a ``lbfgs.ConvexLoss`` of P problems of one answer; signs N x P."""

    def __init__(self, sign: Tensor, weights: Tensor) -> None:
        self.sign, self.weights = sign.contiguous(), weights

    def at(self, answers: Tensor) -> _BinaryAt:
        return _BinaryAt(self, answers[:, :, 0])


class _BinaryAt:
    def __init__(self, loss: _BinaryCrossEntropy, answers: Tensor) -> None:
        self.loss = loss
        margin = loss.sign * answers
        self.value = (F.softplus(-margin) * loss.weights).sum(0)
        self.wrong = torch.sigmoid(-margin)
        self.bends = self.wrong * (1 - self.wrong) * loss.weights

    def residual(self) -> Tensor:
        return (-self.loss.sign * self.wrong * self.loss.weights)[:, :, None]

    def curvature(self) -> Tensor:
        return self.bends.sum(0)[:, None]

    def bend(self, change: Tensor) -> Tensor:
        return (change[:, :, 0].square() * self.bends).sum(0)
