"""What is learned in a comparison: for each seed a split of the pictures, and tables of what was right. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.study.cells import JSON
from caffelungo.study.picture_splits import PictureSplit
from caffelungo.wording import counted

PARTS = ("fit", "validation", "test")


@dataclass(frozen=True)
class Task:
    """The splits, one per seed, and their lists among the inputs of the study (``fit``, ``validation``, ``test``)."""

    splits: Sequence[PictureSplit]
    lists: Sequence[Mapping[str, str]]

    @property
    def pictures(self) -> PictureSplit:
        """The first split, which represents the others where they are counted."""
        return self.splits[0]

    @property
    def notices(self) -> list[str]:
        """What is to be said of the pictures, each once."""
        return list(dict.fromkeys(notice for split in self.splits for notice in split.notices))

    @property
    def fixed(self) -> bool:
        """Whether every seed is judged by the same pictures."""
        return all(split.test == self.splits[0].test for split in self.splits)

    def fields(self, seed: int) -> dict[str, JSON]:
        """What a cell that trains on the split of ``seed`` needs to know."""
        return {**self.lists[seed], "pictures": self.splits[seed].digest}

    @cached_property
    def _columns(self) -> dict[str, int]:
        """The column of each picture that any split tests."""
        names = dict.fromkeys(path for split in self.splits for path, _ in split.test)
        return {path: column for column, path in enumerate(names)}

    def table(self, right: Sequence[ArrayLike]) -> NDArray[np.float32]:
        """Seeds x pictures: 1 where right, 0 where wrong, NaN where the seed did not test the picture.

        ``right`` has a row per seed, in the order of its test pictures; ValueError where the lengths differ.
        """
        found = np.full((len(right), len(self._columns)), np.nan, np.float32)
        for seed, (row, split) in enumerate(zip(right, self.splits, strict=False)):
            values = np.asarray(row, np.float32)
            if len(values) != len(split.test):
                raise ValueError(f"{counted(len(values), 'answer')} for {counted(len(split.test), 'test picture')}")
            found[seed, [self._columns[path] for path, _ in split.test]] = values
        return found
