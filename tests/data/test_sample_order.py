"""Batch k is a function of k; batches wrap; every sample comes once an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data.sample_order import SampleOrder

SIZES = st.integers(1, 40)


def flat(order: SampleOrder, batches: int) -> tuple[list[int], list[int]]:
    parts = [order.samples(k) for k in range(batches)]
    epochs, indices = zip(*parts, strict=True)
    return np.concatenate(epochs).tolist(), np.concatenate(indices).tolist()


def test_batches_run_on_over_the_end() -> None:
    order = SampleOrder(5, 3)
    assert flat(order, 4)[1] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert flat(order, 4)[0] == [0] * 5 + [1] * 5 + [2] * 2


@given(size=SIZES, batch=SIZES, seed=st.integers(0, 1000), shuffle=st.booleans())
def test_each_sample_comes_once_an_epoch(size: int, batch: int, seed: int, shuffle: bool) -> None:
    order = SampleOrder(size, batch, seed=seed, shuffle=shuffle)
    epochs, indices = flat(order, 3 * size)
    for epoch in range(3):
        seen = [index for number, index in zip(epochs, indices, strict=True) if number == epoch]
        assert sorted(seen) == list(range(size))


@given(size=SIZES, batch=SIZES, asked=st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_a_batch_does_not_depend_on_what_was_asked_before(size: int, batch: int, asked: list[int]) -> None:
    used = SampleOrder(size, batch, seed=1, shuffle=True, parts=(size,))
    for k in asked:
        fresh = SampleOrder(size, batch, seed=1, shuffle=True)
        for left, right in zip(used.samples(k), fresh.samples(k), strict=True):
            assert left.tolist() == right.tolist()


@given(size=SIZES, batch=SIZES)
def test_once_holds_every_sample_exactly_once(size: int, batch: int) -> None:
    order = SampleOrder(size, batch, once=True)
    assert flat(order, order.batches)[1] == list(range(size))
    with pytest.raises(IndexError):
        order.samples(order.batches)


def test_a_shuffle_of_files_reads_each_file_in_one_go() -> None:
    parts = (5, 3, 7)
    order = SampleOrder(15, 15, seed=2, shuffle=True, parts=parts)
    _, index = order.samples(0)
    part = np.searchsorted(np.cumsum(parts), index, side="right")
    assert sorted(index.tolist()) == list(range(15))
    assert int((part[1:] != part[:-1]).sum()) == 2
    assert index.tolist() != sorted(index.tolist())
    assert {tuple(dict.fromkeys(np.searchsorted(np.cumsum(parts), order.samples(k)[1], side="right").tolist()))
            for k in range(40)} == {(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)}  # fmt: skip


def test_rand_skip_moves_the_start_by_less_than_its_value() -> None:
    starts = {int(SampleOrder(1000, 1, seed=seed, skip=5).samples(0)[1][0]) for seed in range(60)}
    assert starts == {0, 1, 2, 3, 4}
    assert SampleOrder(1000, 1, seed=3, skip=5, once=True).samples(0)[1].tolist() == [0]
