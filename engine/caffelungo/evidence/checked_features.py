"""Checks the arrays of features and labels that the advice is computed from. No torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.errors import Problem, UserError
from caffelungo.wording import counted

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

CHUNK = 2**22
"""Numbers that are turned into float64 at a time: 32 MB."""


def chunks(features: NDArray[np.floating]) -> Iterator[tuple[slice, Floats]]:
    """Slices of rows and the rows in float64, so that no second copy of a large table is made."""
    step = max(1, CHUNK // max(1, features.shape[1]))
    for first in range(0, len(features), step):
        rows = slice(first, min(first + step, len(features)))
        yield rows, np.asarray(features[rows], np.float64)


def table(features: ArrayLike, name: str = "features", least: int = 2) -> NDArray[np.floating]:
    """``features`` as N x D floating numbers, N at least ``least``; UserError where they are not, or not finite."""
    if problem := _table_problem(array := _floating(features), name, least):
        raise UserError(problem)
    return array


def table_and_labels(features: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.floating], Labels, Labels]:
    """Features N x D, for each row the place 0 to C - 1 of its class, and the C labels that occur, in order.

    A class without pictures has no place: no score depends on it. UserError, all problems at once, where the arrays do
    not fit, a feature is not finite, all rows are the same, or there are not two classes.
    """
    array = _floating(features)
    problems = [problem] if (problem := _table_problem(array, "features", 2)) else []
    if not problems and _all_alike(array):
        problems.append(
            Problem(
                "the features are the same for every picture",
                received=counted(len(array), "equal row"),
                remedy="read another layer, or look at the net's weights",
            )
        )
    problems += _label_problems(labels, array)
    if problems:
        raise UserError(problems)
    return array, *_placed(labels)


def _placed(labels: ArrayLike) -> tuple[Labels, Labels]:
    classes, places = np.unique(np.asarray(labels).astype(np.int64), return_inverse=True)
    return places.ravel(), classes


def shares_and_labels(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.floating], Labels, Labels]:
    """Probabilities N x Z, each row of which sums to 1, and of the labels the same as ``table_and_labels``.

    UserError, all problems at once, where the arrays do not fit, rows are no probabilities, or there are not two
    classes.
    """
    array = _floating(probabilities)
    problem = _table_problem(array, "probabilities", 2) or _share_problem(array)
    if problems := [*([problem] if problem else []), *_label_problems(labels, array)]:
        raise UserError(problems)
    return array, *_placed(labels)


def _share_problem(array: NDArray[np.floating]) -> Problem | None:
    apart = least = 0.0
    for _, part in chunks(array):
        apart = max(apart, float(np.abs(part.sum(1) - 1).max()))
        least = min(least, float(part.min()))
    if apart <= 1e-3 and least >= 0:
        return None
    return Problem(
        "probabilities must be 0 or larger and sum to 1 in each row",
        received=f"a probability of {least:.3g}" if least < 0 else f"a sum that differs from 1 by {apart:.3g}",
        remedy="give the output of a Softmax layer",
    )


def _label_problems(labels: ArrayLike, array: NDArray[np.floating]) -> list[Problem]:
    found = np.asarray(labels)
    if found.ndim != 1 or found.dtype.kind not in "iu" or (array.ndim == 2 and len(found) != len(array)):
        return [
            Problem(
                "each row needs one integer label",
                received=f"{_shape(found)} of {found.dtype} for {_shape(array)}",
                remedy="give as many integers as there are rows",
            )
        ]
    if len(np.unique(found)) < 2:
        return [
            Problem(
                "two classes with pictures are needed",
                received=counted(len(np.unique(found)), "class"),
                remedy="give pictures of another class, too",
            )
        ]
    return []


def _floating(values: ArrayLike) -> NDArray[np.floating]:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _table_problem(array: NDArray[np.floating], name: str, least: int) -> Problem | None:
    if array.ndim != 2 or len(array) < least or not array.size:
        return Problem(
            f"{name} are a table of pictures x numbers, at least {counted(least, 'row')}",
            received=_shape(array),
            remedy="give one row per picture",
        )
    bad = sum(int((~np.isfinite(part)).any(1).sum()) for _, part in chunks(array))
    if bad:
        return Problem(
            f"{name} must be finite",
            received=f"NaN or infinity in {bad} of {counted(len(array), 'row')}",
            remedy="look at the net's weights and at these pictures",
        )
    return None


def _all_alike(array: NDArray[np.floating]) -> bool:
    first = np.asarray(array[0], np.float64)
    return all(bool((part == first).all()) for _, part in chunks(array))


def _shape(values: NDArray[np.generic]) -> str:
    return " x ".join(map(str, values.shape)) or "one number"
