"""Which samples form batch number k, counted from the start of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import random_numbers

Index = NDArray[np.int64]


class SampleOrder:
    """Samples in the order of the file or shuffled anew each pass; batches run on over the end of the data.

    ``parts`` are the sizes of the files the samples are in: a shuffle draws the order of the files and the order
    within each file (Caffe: HDF5DataLayer), so that a large file is read once a pass. ``once``: the data is gone
    through a single time and the last batch is short.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = False,
        skip: int = 0,
        once: bool = False,
        parts: Sequence[int] = (),
    ) -> None:
        self.size, self.batch_size = size, batch_size
        self.seed, self.shuffle, self.once = seed, shuffle, once
        self.parts = tuple(parts) or (size,)
        self.skip = (
            int(random_numbers.below(skip, random_numbers.bits(seed, random_numbers.SKIP, 0, 0))[0])
            if skip and not once
            else 0
        )
        self._epochs: dict[int, Index] = {}

    @property
    def batches(self) -> int:
        """Batches that hold every sample once, the last one short where the size is no multiple."""
        return -(-self.size // self.batch_size)

    def samples(self, k: int) -> tuple[Index, Index]:
        """For each sample of batch ``k`` its pass over the data (from 0) and its index in the source."""
        start = k * self.batch_size + self.skip
        stop = start + self.batch_size
        if self.once:
            if not 0 <= k < self.batches:
                raise IndexError(f"batch {k} of {self.batches}")
            stop = min(stop, self.size)
        epoch, place = np.divmod(np.arange(start, stop, dtype=np.int64), self.size)
        if not self.shuffle:
            return epoch, place
        index = np.empty_like(place)
        for number in range(int(epoch[0]), int(epoch[-1]) + 1):
            chosen = epoch == number
            index[chosen] = self._epoch(number)[place[chosen]]
        return epoch, index

    def _epoch(self, number: int) -> Index:
        if number not in self._epochs:
            while len(self._epochs) > 1:
                del self._epochs[next(iter(self._epochs))]
            self._epochs[number] = self._permutation(number)
        return self._epochs[number]

    def _permutation(self, number: int) -> Index:
        if len(self.parts) == 1:
            return random_numbers.permutation(self.seed, number, self.size)
        starts = np.concatenate([[0], np.cumsum(self.parts)[:-1]])
        whole = random_numbers.permutation(self.seed, number, self.size)
        part_of = np.searchsorted(starts, whole, side="right") - 1
        rank = np.empty(len(self.parts), np.int64)
        rank[random_numbers.permutation(self.seed + 1, number, len(self.parts))] = np.arange(len(self.parts))
        return np.asarray(whole[np.argsort(rank[part_of], kind="stable")])
