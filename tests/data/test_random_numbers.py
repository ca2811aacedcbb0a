"""Draws are functions of a place, spread evenly, and stay what they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data import random_numbers


def test_bits_are_splitmix64_of_nested_words() -> None:
    """The first outputs of splitmix64 from state 0 (Vigna's reference program) are _mix of multiples of its step."""
    states = np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert random_numbers._mix(states).tolist() == expected


@given(seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 2**40), index=st.integers(0, 2**40))
def test_a_draw_does_not_depend_on_its_neighbours(seed: int, epoch: int, index: int) -> None:
    alone = random_numbers.bits(seed, random_numbers.MIRROR, epoch, index)[0]
    among = random_numbers.bits(seed, random_numbers.MIRROR, [epoch, 3, epoch], [7, index, index])
    assert among[2] == alone
    assert random_numbers.bits(seed, random_numbers.CROP_ROW, epoch, index)[0] != alone


def test_draws_below_a_limit_are_even() -> None:
    drawn = random_numbers.below(5, random_numbers.bits(1, random_numbers.CROP_ROW, 0, np.arange(50_000)))
    counts = np.bincount(drawn, minlength=5)
    assert counts.shape == (5,)
    assert abs(counts - 10_000).max() < 500


def test_each_epoch_has_its_own_permutation() -> None:
    first, second = random_numbers.permutation(3, 0, 1000), random_numbers.permutation(3, 1, 1000)
    assert sorted(first) == list(range(1000))
    assert (first == second).mean() < 0.02
    assert (first == random_numbers.permutation(4, 0, 1000)).mean() < 0.02


def test_a_generator_belongs_to_one_sample() -> None:
    same = [random_numbers.generator(1, random_numbers.AUGMENT, 2, 3).random() for _ in range(2)]
    assert same[0] == same[1]
    assert random_numbers.generator(1, random_numbers.AUGMENT, 2, 4).random() != same[0]
