"""What a linear classifier says of each picture when it has not learned from it: cross-validated probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.evidence.checked_features import Floats, table_and_labels

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 5
PENALTIES = tuple(10.0 ** (-4 + 0.5 * i) for i in range(15))
"""From 1e-4 to 1e3 on the sum of losses, in ratios of a root of 10; features are at unit length."""
PATIENCE = 2


@dataclass(frozen=True)
class HeldOutProbabilities:
    """``probabilities`` N x C, in the order of ``classes`` (C labels); each row by a classifier of the other folds.

    ``judged`` (N) is False where that classifier had no picture of the row's class, so that it could not name it.
    """

    probabilities: Floats
    classes: NDArray[np.int64]
    judged: NDArray[np.bool_]
    penalty: float
    converged: bool


def held_out_probabilities(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    groups: Sequence[Sequence[int]] = (),
    penalties: Sequence[float] = PENALTIES,
    progress: Callable[[int, int], None] | None = None,
) -> HeldOutProbabilities:
    """Of logistic regressions of features N x D at unit length, with the penalty of the least loss on held-out rows.

    ``groups`` are copies of one picture, by rows: they are in one fold, so that no copy is judged by another. UserError
    as ``table_and_labels``, and where there are not two folds.
    """
    import torch

    from caffelungo.probes import logistic
    from caffelungo.probes.folds import owners, stratified_folds
    from caffelungo.probes.penalty_path import path

    table, places, classes = table_and_labels(features, labels)
    parts = stratified_folds(places, folds, seed, owners(len(places), groups))
    x = scaled(table)
    found = path(x, torch.from_numpy(places), len(classes), parts, penalties, patience=PATIENCE, progress=progress)
    fitted = logistic.fit(x, places, len(classes), found.penalty, torch.stack([parts != fold for fold in range(folds)]))
    result = np.zeros((len(places), len(classes)))
    judged = np.zeros(len(places), np.bool_)
    for fold in range(folds):
        rows = (parts == fold).numpy()
        answers = x[rows].double() @ fitted.weight[fold].T.double() + fitted.bias[fold].double()
        result[rows] = answers.softmax(1).numpy()
        judged[rows] = np.isin(places[rows], places[~rows])
    return HeldOutProbabilities(result, classes, judged, found.penalty, bool(fitted.converged.all()))


def scaled(features: NDArray[np.floating]) -> Tensor:
    """Features N x D as the classifiers read them: each row at unit length, all centred and divided by one number."""
    import torch

    from caffelungo.probes.scaling import global_scale, unit_length

    unit = unit_length(torch.from_numpy(np.ascontiguousarray(features, np.float32)))
    return global_scale(unit)(unit)
