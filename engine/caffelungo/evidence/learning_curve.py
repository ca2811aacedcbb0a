"""How the accuracy of a linear classifier grows with the pictures it learns from.

pictures -> folds; of what is learned from, nested subsets of 1/8 to all, of each class alike -> a classifier of each
-> which pictures they classify correctly when held out

``power_law`` says what more pictures would bring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import Floats, Labels, table_and_labels
from caffelungo.evidence.held_out_probabilities import FOLDS, PATIENCE, scaled
from caffelungo.wording import counted

SHARES = (1 / 8, 1 / 4, 1 / 2, 2**-0.5, 1.0)
"""Of the pictures that are learned from."""
LEAST = 5
"""Pictures per class, in the mean, that a curve needs: an eighth of fewer is no picture."""
REPEATS = 2
PENALTIES = tuple(10.0 ** (-1 + 0.5 * i) for i in range(9))
"""From 0.1 to 1000 on the sum of losses; with so few pictures, no weaker one was the best."""
INNER = 4
"""What is learned from is dealt into this many parts, one of which chooses the penalty."""


@dataclass(frozen=True)
class LearningCurve:
    """``right``, R x S x N: in each of R repeats, learning from S ``sizes``, whether each of N pictures was classified
    correctly when held out. ``folds``, R x N, is the fold of each picture.

    ``sizes`` are the mean pictures per class that were learned from. ``most`` is the number that there are: the folds
    leave some out.
    """

    sizes: Floats
    most: float
    right: NDArray[np.bool_]
    folds: NDArray[np.int64]

    @property
    def accuracies(self) -> Floats:
        """S."""
        return np.asarray(self.right.mean((0, 2)), np.float64)


def learning_curve(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    seed: int = 0,
    groups: Sequence[Sequence[int]] = (),
    penalties: Sequence[float] = PENALTIES,
    progress: Callable[[int, int], None] | None = None,
) -> LearningCurve:
    """Of logistic regressions of features N x D at unit length.

    The penalty on the sum of losses is chosen once per fold, on a part of what is learned from there: it is a statement
    on the weights and keeps its meaning for subsets. ``groups`` are copies of one picture, which are never on both
    sides. Of unequal classes the subsets have the same shares. UserError as ``table_and_labels``, and where there are
    fewer than ``LEAST`` pictures per class in the mean.
    """
    import torch

    from caffelungo.probes import logistic
    from caffelungo.probes.folds import owners, stratified_folds
    from caffelungo.probes.penalty_path import TOLERANCE, path

    table, places, classes = table_and_labels(features, labels)
    count, number = len(places), len(classes)
    if count < LEAST * number:
        raise UserError(
            f"a learning curve needs at least {LEAST} pictures per class",
            received=f"{counted(count, 'picture')} of {counted(number, 'class')}",
            remedy="give more pictures",
        )
    x, y, owner = scaled(table), torch.from_numpy(places), owners(count, groups)
    right = np.zeros((repeats, len(SHARES), count), np.bool_)
    parts = np.stack([stratified_folds(places, folds, seed + repeat, owner).numpy() for repeat in range(repeats)])
    sizes = np.zeros(len(SHARES))
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        for fold in range(folds):
            held, rows = np.flatnonzero(parts[repeat] == fold), np.flatnonzero(parts[repeat] != fold)
            choosing = stratified_folds(places[rows], INNER, seed, owner[rows]) == 0
            penalty = path(x[rows], y[rows], number, choosing, penalties, patience=PATIENCE).penalty
            rank = ranks(places[rows], rng)
            for place, share in enumerate(SHARES):
                own = rows[rank < share]
                sizes[place] += len(own) / number / folds / repeats
                fitted = logistic.fit(x[own], y[own], number, penalty, tolerance=TOLERANCE)
                right[repeat, place, held] = (fitted.answers(x[held])[0].argmax(1) == y[held]).numpy()
            if progress is not None:
                progress(repeat * folds + fold + 1, repeats * folds)
    return LearningCurve(sizes, count / number, right, parts)


def ranks(labels: Labels, rng: np.random.Generator) -> Floats:
    """Of each row its place in a random order of its class, as a share: below q are q of each class, rounded up."""
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels))
    for each in np.unique(labels):
        own = order[labels[order] == each]
        rank[own] = np.arange(len(own)) / len(own)
    return rank
