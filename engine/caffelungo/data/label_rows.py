"""Several labels per picture as rows of 1, 0 and -1 (unknown): made of class folders, counted, and told apart by one.

cat/1.jpg, garden/7.jpg (the same picture)   ->   cat/1.jpg 1 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.image_list import ImageList
from caffelungo.data.target_rows import UNKNOWN, Rows


def of_classes(pictures: ImageList, groups: Sequence[Sequence[int]]) -> tuple[ImageList, list[int]]:
    """``pictures`` of classes with a row of labels each: 1 for their class and those of equal pictures (``groups``).

    Of equal pictures the first alone stays; the places of those that stay come with them.
    """
    rows = np.zeros((len(pictures), len(pictures.classes)), np.float32)
    rows[np.arange(len(pictures)), pictures.labels] = 1
    again: set[int] = set()
    for group in groups:
        first, *others = sorted(group)
        rows[first] = rows[list(group)].max(0)
        again.update(others)
    kept = [index for index in range(len(pictures)) if index not in again]
    made = replace(
        pictures, names=[pictures.names[index] for index in kept], lines=pictures.lines[kept], classes=(),
        labels=np.full(len(kept), UNKNOWN, np.int64), targets=rows[kept], target_names=pictures.classes,
    )  # fmt: skip
    return made, kept


def counts(rows: Rows) -> NDArray[np.int64]:
    """K numbers of pictures that have each label."""
    return np.asarray((rows == 1).sum(0), np.int64)


def share(rows: Rows) -> float:
    """The share of 1 among what is known; one half without any."""
    known = int((rows != UNKNOWN).sum())
    return float((rows == 1).sum()) / known if known else 0.5


def rarest(rows: Rows) -> NDArray[np.int64]:
    """The rarest label that each picture has, K where it has none: what a split deals out evenly, as classes."""
    often = counts(rows)
    order = np.argsort(often, kind="stable")
    having = rows[:, order] == 1
    return np.where(having.any(1), order[having.argmax(1)], rows.shape[1])
