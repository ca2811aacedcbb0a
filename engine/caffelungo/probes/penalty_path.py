"""Chooses the penalty: classifiers along a path of penalties, compared on held-out pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional as F

from caffelungo.errors import UserError
from caffelungo.probes import array_checks, logistic, svm
from caffelungo.probes.folds import stratified_folds
from caffelungo.probes.lbfgs import HISTORY
from caffelungo.probes.principal_axes import Basis, basis_of
from caffelungo.probes.weighted_problems import ITERATIONS, Problems, Solve
from caffelungo.report.classification_score import balanced_accuracy, wilson
from caffelungo.wording import counted

__all__ = ["KORNBLITH", "PenaltyPath", "PenaltyRow", "interval", "path", "standard_error", "stratified_folds"]

KORNBLITH = tuple(10 ** (-6 + 11 * i / 44) for i in range(45))
"""45 penalties on the sum of losses, from 1e-6 to 1e5 in equal ratios (Kornblith, Shlens and Le, CVPR 2019, A.6)."""
TOLERANCE = 3e-2
"""As ``problems.TOLERANCE``: objectives within a thousandth of the least, far less than one penalty's step changes."""
CERTAIN = 0.01
"""A mean loss that is as good as none: the true class has a probability of 99 %."""
RISEN = 1e-4
"""Share by which a loss above the least counts as a rise; where features are weak, less may be rounding."""
MEMORY = 2**31
"""Bytes that answers and steps of folds that are solved together may take, about."""

SOLVES: dict[str, Solve] = {"logistic": logistic.solve, "svm": svm.solve}


@dataclass(frozen=True)
class PenaltyRow:
    """What one penalty gave on the pictures held out.

    ``loss`` is the mean cross-entropy, or for SVMs the squared hinge summed over classes, of the pictures whose class
    was among those learnt from. ``accuracy`` is of all pictures held out, ``balanced`` the mean of their classes'
    recalls. ``iterations`` are those of the slowest fold, ``converged`` says that all folds did.
    """

    penalty: float
    loss: float
    accuracy: float
    balanced: float
    iterations: int
    converged: bool


@dataclass(frozen=True)
class PenaltyPath:
    """Rows from the strongest penalty to the weakest that was tried, and the ``best`` of them (see ``path``).

    ``held`` are the numbers of the pictures held out (H, all N where there are folds). ``predictions`` (H) are their
    classes and ``losses`` (H, float64) their losses at the best penalty. ``unseen`` is how many of them are of a class
    that their classifier had no picture of: their losses are huge, and in no row's mean.
    """

    rows: tuple[PenaltyRow, ...]
    best: int
    held: Tensor
    predictions: Tensor
    losses: Tensor
    unseen: int

    @property
    def penalty(self) -> float:
        """The penalty of the best row."""
        return self.rows[self.best].penalty


def path(
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    classes: int,
    held_out: Tensor | ArrayLike,
    penalties: Tensor | ArrayLike = KORNBLITH,
    classifier: str = "logistic",
    patience: int | None = 4,
    versions: int = 1,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
    progress: Callable[[int, int], None] | None = None,
    weights: Tensor | ArrayLike | None = None,
) -> PenaltyPath:
    """Classifiers for each of ``penalties``, from strong to weak, each starting from the one before.

    ``held_out`` (N) is either the fold of each picture (integers from 0; each fold is judged by a classifier of all
    others) or a mask (bool; True where a picture judges the one classifier of all others). ``x`` holds ``versions`` of
    all pictures, mirrored ones say, N rows after N rows: a picture that is learnt from is so in all its versions, each
    with a weight of 1/versions, so that penalties keep their meaning; a picture held out is judged by its first
    version. ``weights`` (N, of mean 1, so that penalties keep their meaning) is how much each picture counts, where it
    is learnt from and in the losses that choose.

    The best logistic regression is that of the strongest penalty whose loss is within one standard error of the least,
    picture by picture: where features tell classes apart the loss hardly changes over many penalties, and the weakest
    of them make weights without need large (the rule of Breiman, Friedman, Olshen and Stone, 1984, section 3.4.3).
    Where nothing is left to tell apart, losses fall on for every picture and without an end; any loss is small enough
    that is below ``CERTAIN`` and below what a single picture between two classes would add to the mean. The best SVM
    has the highest accuracy, and of equals the least loss. The path ends early after ``patience`` penalties
    (None: never) in a row without a better row, each of a loss higher than the least, as weaker penalties fit the
    training rows closer still and the loss goes on rising; or after twice as many that change nothing in the choice.
    ``progress`` is called with the penalties done and their number.

    UserError as ``logistic.fit``, and where nothing is held out, or nothing left to learn from.
    """
    if classifier not in SOLVES:
        raise UserError("no such classifier", received=classifier, remedy=f"use one of: {', '.join(SOLVES)}")
    stacked, labels = _stacked(torch.as_tensor(x), torch.as_tensor(y), classes, versions)
    ordered = array_checks.penalties(penalties, stacked.double()).sort(descending=True).values
    judge = _Judge(stacked, labels, classes, held_out, versions, SOLVES[classifier], tolerance, iterations, weights)
    smooth = classifier == "logistic"
    rows: list[PenaltyRow] = []
    losses: list[Tensor] = []
    predictions: list[Tensor] = []  # classes: answers for 20,000 pictures and 1,000 classes take 80 MB per penalty
    best, choice, since = 0, 0, 0
    for number, penalty in enumerate(ordered.tolist()):
        row, predicted, each = judge.row(penalty, _cross_entropy if smooth else _squared_hinge)
        rows.append(row)
        losses.append(each)
        predictions.append(predicted)
        if _key(row, smooth) < _key(rows[best], smooth):
            best = number
            choice = strongest([one[judge.known] for one in losses], best) if smooth else best
        risen = row.loss > min(one.loss for one in rows) * (1 + RISEN)
        since = since + 1 if best < number and risen else 0
        if progress:
            progress(number + 1, len(ordered))
        if patience is not None and (since >= patience or number - choice >= 2 * patience):
            break
    return PenaltyPath(tuple(rows), choice, judge.held, predictions[choice], losses[choice], judge.unseen)


def _stacked(x: Tensor, y: Tensor, classes: int, versions: int) -> tuple[Tensor, Tensor]:
    """``x`` and a label per row of it, checked; UserError where a version of a picture is missing."""
    if versions < 1 or x.ndim != 2 or len(x) != versions * len(y):
        raise UserError(
            "features must contain every version of every picture",
            received=f"{counted(len(x), 'row')} for {counted(versions, 'version')} of {counted(len(y), 'picture')}",
            remedy="stack the versions, all pictures of the first, then all of the second",
        )
    return array_checks.rows_and_labels(x, y.repeat(versions), classes)


def interval(correct: Tensor | ArrayLike) -> tuple[float, float]:
    """The 95 % interval (Wilson) of the share of True in ``correct``: between which accuracies the true one is."""
    right = np.asarray(correct, dtype=bool)
    return wilson(int(right.sum()), right.size)


def standard_error(differences: Tensor) -> float:
    """That of the mean of N ``differences``; 0 where one alone says nothing of it."""
    return float(differences.std()) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0


def _key(row: PenaltyRow, smooth: bool) -> tuple[float, float]:
    """What is least in the best row; a loss that is no number is the worst."""
    loss = row.loss if math.isfinite(row.loss) else math.inf
    return (loss, 0.0) if smooth else (-row.accuracy, loss)


def strongest(losses: list[Tensor], best: int) -> int:
    """The first of ``losses`` (one per picture) whose mean is at most one standard error above that of ``best``, or as
    good as none.

    The error is that of the differences picture by picture, which is far less than that of either mean.
    """
    enough = min(CERTAIN, math.log(2) / len(losses[best]))
    for number, each in enumerate(losses[:best]):
        worse = each - losses[best]
        if float(worse.mean()) <= standard_error(worse) or float(each.mean()) <= enough:
            return number
    return best


def _cross_entropy(answers: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(answers, y, reduction="none")


def _squared_hinge(answers: Tensor, y: Tensor) -> Tensor:
    sign = 2 * F.one_hot(y, answers.shape[1]).to(answers) - 1
    return (1 - sign * answers).clamp_min(0).square().sum(1)


class _Judge:
    """The folds' classifiers at one penalty after the other, and their answers on what each has not seen."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        classes: int,
        held_out: Tensor | ArrayLike,
        versions: int,
        solve: Solve,
        tolerance: float,
        iterations: int,
        given: Tensor | ArrayLike | None,
    ) -> None:
        self.solve, self.tolerance, self.iterations = solve, tolerance, iterations
        weights = None if given is None else torch.as_tensor(given).to(x)
        count = len(x) // versions
        folds, number = _folds(held_out, count)
        folds = folds.to(x.device)
        self.held = (folds >= 0).nonzero().flatten()
        self.folds = folds[self.held]
        self.y = y[:count][self.held]
        basis = basis_of(x)
        self.parts: list[tuple[slice, Problems]] = []
        self.starts: list[Tensor] = []
        step = _together(basis, len(x), classes, number)
        for first in range(0, number, step):
            part = slice(first, min(number, first + step))
            learnt = folds[:, None] != torch.arange(part.start, part.stop, device=x.device)
            shares = learnt.to(x.dtype) / versions if weights is None else learnt * weights[:, None] / versions
            problems = Problems.of(basis, y, classes, shares.repeat(versions, 1))
            self.parts.append((part, problems))
            self.starts.append(problems.start())
        seen = torch.cat([problems.seen for _, problems in self.parts])
        self.known = seen[self.folds, self.y]
        if not bool(self.known.any()):
            raise UserError(
                "no held-out picture is of a class in the training part",
                remedy="give at least two pictures per class, and hold out one of them",
            )
        self.unseen = int((~self.known).sum())
        chosen = torch.ones_like(self.y, dtype=torch.float64) if weights is None else weights[self.held].double()
        self.counts = chosen / chosen[self.known].mean()

    def row(self, penalty: float, loss: Callable[[Tensor, Tensor], Tensor]) -> tuple[PenaltyRow, Tensor, Tensor]:
        """The row of one penalty, and the predicted class and the loss of each picture held out."""
        answers: Tensor | None = None
        steps, converged = 0, True
        for number, (part, problems) in enumerate(self.parts):
            strength = problems.rows.new_full((part.stop - part.start,), penalty)
            found = self.solve(problems, strength, self.starts[number], self.tolerance, self.iterations)
            self.starts[number] = found.coefficients
            steps = max(steps, int(found.iterations.max()))
            converged = converged and bool(found.converged.all())
            own = (self.folds >= part.start) & (self.folds < part.stop)
            here = found.answers[self.held[own], self.folds[own] - part.start]
            answers = here.new_empty(len(self.held), here.shape[1]) if answers is None else answers
            answers[own] = here
        assert answers is not None
        predicted = answers.argmax(1)
        right = predicted == self.y
        balanced = balanced_accuracy(right.cpu(), self.y.cpu())
        each = loss(answers.double(), self.y) * self.counts
        mean = float(each[self.known].mean())
        row = PenaltyRow(penalty, mean, float(right.double().mean()), balanced, steps, converged)
        return row, predicted, each


def _folds(held_out: Tensor | ArrayLike, count: int) -> tuple[Tensor, int]:
    """The fold of each picture, -1 where it is in none, and how many folds there are."""
    given = torch.as_tensor(held_out)
    if given.shape != (count,) or given.is_floating_point():
        raise UserError(
            "each picture has a fold (an integer) or is held out or not (a bool)",
            received=f"{tuple(given.shape)} of {given.dtype} for {counted(count, 'picture')}",
            remedy=f"give {count} integers, or {count} of True and False",
        )
    if given.dtype == torch.bool:
        folds, number, fine = given.long() - 1, 1, bool(given.any()) and not bool(given.all())
    else:
        folds = given.long()
        number = int(folds.max()) + 1
        fine = number > 1 and int(folds.min()) == 0 and len(folds.unique()) == number
    if not fine:
        raise UserError(
            "each fold needs held-out and training pictures",
            received=f"{int(given.sum())} of {count} held out"
            if given.dtype == torch.bool
            else counted(number, "fold"),
            remedy="number at least two folds from 0 without gaps, or hold out a part",
        )
    return folds, number


def _together(basis: Basis, rows: int, classes: int, folds: int) -> int:
    """How many folds are solved at once: some ten copies of answers and the solver's pairs of steps have to fit."""
    each = basis.rows.element_size() * classes * (10 * rows + (2 * HISTORY + 8) * basis.width)
    return max(1, min(folds, MEMORY // each))
