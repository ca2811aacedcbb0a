"""Pictures dealt into folds: each fold has its share of every class, and copies of one picture stay together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.wording import counted


def stratified_folds(y: Tensor | ArrayLike, k: int, seed: int = 0, groups: Tensor | ArrayLike | None = None) -> Tensor:
    """The fold 0 to k - 1 of each picture, N integers, a function of the arguments alone.

    Pictures of one group (N integers or strings, None for every picture its own) are in one fold; a group goes by the
    class that most of it has. Classes are dealt out in random order, the larger groups first, each group to the fold
    with the fewest pictures of its class, and of those to the fold with the fewest pictures. So without groups the
    folds of a class differ by one picture at most, and so do the folds. A class with fewer than ``k`` pictures is
    missing in some folds, and one with a single group is missing in the training rows of one.

    UserError where there are fewer than two folds, or fewer groups than folds, or ``groups`` is not as long as ``y``.
    """
    labels = np.asarray(y, dtype=np.int64)
    members = (
        np.arange(len(labels)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    )
    if labels.ndim != 1 or members.shape != labels.shape:
        raise UserError("each picture has one label and one group", received=f"{members.shape} for {labels.shape}",
                        remedy="give as many groups as labels, or none")  # fmt: skip
    count = int(members.max()) + 1 if len(members) else 0
    if not 2 <= k <= count:
        raise UserError(
            "there must be at least two folds, none of them empty",
            received=f"{counted(k, 'fold')}, {counted(count, 'distinct picture')}",
            remedy="use fewer folds or more pictures" if k > count else "use at least 2 folds",
        )
    return torch.from_numpy(_dealt(_classes_of(labels, members, count), np.bincount(members), k, seed)[members])


def owners(count: int, groups: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """A number for each of ``count`` pictures, shared within each of ``groups`` (disjoint, by place)."""
    owner = np.arange(count)
    for group in groups:
        owner[list(group)] = group[0]
    return owner


def _classes_of(labels: NDArray[np.int64], members: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The most frequent label of each group, the smallest of equals."""
    pairs, often = np.unique(np.stack([members, labels]), axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], often, pairs[0]))  # the last of a group is its most frequent
    classes = np.empty(count, np.int64)
    classes[pairs[0][order]] = pairs[1][order]
    return classes


def _dealt(classes: NDArray[np.int64], sizes: NDArray[np.int64], k: int, seed: int) -> NDArray[np.int64]:
    """The fold of each group, of its class and size."""
    rng = np.random.default_rng(seed)
    folds = np.empty(len(classes), np.int64)
    held = np.zeros(k, np.int64)
    for each in rng.permutation(np.unique(classes)):
        groups = rng.permutation(np.flatnonzero(classes == each))
        own = np.zeros(k, np.int64)
        for group in groups[np.argsort(-sizes[groups], kind="stable")]:
            fold = np.lexsort((held, own))[0]
            folds[group] = fold
            own[fold] += sizes[group]
            held[fold] += sizes[group]
    return folds
