"""Bootstrap intervals against exact distributions: all resamples, and the binomial."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.errors import UserError
from caffelungo.study.statistics import Difference, interval, paired_bootstrap


def every_resample(table: np.ndarray) -> np.ndarray:
    """The means of all equally likely resamples of the rows and of the columns of ``table``."""
    rows, columns = table.shape
    return np.array(
        [
            table[np.ix_(chosen, pictures)].mean()
            for chosen in itertools.product(range(rows), repeat=rows)
            for pictures in itertools.product(range(columns), repeat=columns)
        ]
    )


@pytest.mark.parametrize(
    "table",
    [
        [[1, 0, 1, 1], [0, 0, 1, 0]],
        [[1, 0, 0, 0, 0]],
        [[1, 1, 0], [1, 0, 0], [0, 0, 0]],
        [[1], [0], [1]],
    ],
)
def test_the_interval_is_that_of_all_resamples(table: list[list[int]]) -> None:
    exact = every_resample(np.array(table))
    found = interval(table, draws=40_000)
    assert found.mean == pytest.approx(100 * np.mean(table))
    # A bound of the exact distribution, within what 40,000 draws leave open (about 3 sigma of the share below it).
    for value, share in ((found.low, 0.025), (found.high, 0.975)):
        assert np.mean(exact < value / 100 - 1e-6) <= share + 0.0025
        assert np.mean(exact <= value / 100 + 1e-6) >= share - 0.0025


def test_the_difference_is_that_of_all_resamples_in_pairs() -> None:
    a, b = np.array([[1, 1, 1, 0], [1, 0, 1, 1]]), np.array([[0, 1, 0, 0], [1, 0, 0, 1]])
    exact = every_resample(a - b)
    found = paired_bootstrap(a, b, draws=40_000)
    assert found.mean == pytest.approx(37.5)
    low, high = np.percentile(exact, [2.5, 97.5])
    assert found.low == pytest.approx(100 * low, abs=1e-3)
    assert found.high == pytest.approx(100 * high, abs=1e-3)


def test_one_seed_is_binomial() -> None:
    right, pictures = 312, 400
    share = right / pictures
    terms = [math.comb(pictures, k) * share**k * (1 - share) ** (pictures - k) for k in range(pictures + 1)]
    below = np.cumsum(terms)
    low, high = np.searchsorted(below, [0.025, 0.975])
    found = interval([[1] * right + [0] * (pictures - right)])
    assert found.mean == pytest.approx(78)
    assert found.low == pytest.approx(100 * low / pictures, abs=0.26)
    assert found.high == pytest.approx(100 * high / pictures, abs=0.26)


def test_spread_is_that_of_the_formula_for_crossed_draws() -> None:
    """Owen 2007, by hand: the variance of a draw is that of two independent draws of rows and columns, crossed."""
    rng = np.random.default_rng(3)
    table = (rng.random((5, 60)) < rng.random((5, 1)) * 0.5 + rng.random((1, 60)) * 0.5).astype(float)
    seeds, pictures = table.shape
    centred = table - table.mean()
    of_seeds = (centred.mean(1) ** 2).sum() / seeds**2
    of_pictures = (centred.mean(0) ** 2).sum() / pictures**2
    both = ((centred - centred.mean(1, keepdims=True) - centred.mean(0)) ** 2).mean() / (seeds * pictures)
    # Per draw E[(v'Xw)^2] with multinomial counts splits into rows, columns, and their interaction.
    spread = math.sqrt(of_seeds + of_pictures + both)
    found = interval(table, draws=20_000)
    assert (found.high - found.low) / 100 == pytest.approx(2 * 1.96 * spread, rel=0.06)


def test_pairing_removes_what_both_arms_share() -> None:
    rng = np.random.default_rng(0)
    b = rng.random((3, 300)) < 0.7
    a = b.copy()
    a[:, :9] = True
    together = paired_bootstrap(a, b)
    assert together.high - together.low < interval(a).high - interval(a).low
    assert paired_bootstrap(a, a) == Difference(0, 0, 0)
    assert paired_bootstrap(a, a).sign == 0


def test_sign_and_words() -> None:
    ones, zeros = np.ones((2, 50)), np.zeros((2, 50))
    assert paired_bootstrap(ones, zeros) == Difference(100, 100, 100)
    assert paired_bootstrap(zeros, ones).sign == -1
    assert str(Difference(4.61, 1.3, 8.06)) == "+4.6 [+1.3, +8.1]"
    assert str(interval(ones)) == "100.0 [100.0, 100.0]"


@given(st.integers(1, 4), st.integers(1, 30), st.randoms(use_true_random=False))
def test_exchanging_the_arms_changes_the_sign(seeds: int, pictures: int, random) -> None:
    a, b = ([[random.randint(0, 1) for _ in range(pictures)] for _ in range(seeds)] for _ in range(2))
    one, other = paired_bootstrap(a, b, draws=200), paired_bootstrap(b, a, draws=200)
    assert (one.mean, one.low, one.high) == pytest.approx((-other.mean, -other.high, -other.low), abs=1e-4)
    assert one.low <= one.high


def test_the_same_seed_gives_the_same_numbers() -> None:
    table = np.random.default_rng(1).random((3, 80)) < 0.6
    assert interval(table, draws=100) == interval(table, draws=100)
    assert interval(table, draws=100) != interval(table, draws=100, seed=1)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[1, 0]], [[1, 0], [1, 1]]),
        ([[1, 0]], [[1, 0, 1]]),
        ([1, 0], [1, 0]),
        ([[]], [[]]),
        ([[1, 0], [1]], [[1, 0], [1]]),
        ([[float("nan"), 1]], [[1, 1]]),
    ],
)
def test_tables_that_do_not_fit_are_refused(a: list, b: list) -> None:
    with pytest.raises(UserError, match="seeds"):
        paired_bootstrap(a, b)


def test_thousands_of_pictures_take_seconds_and_little_memory() -> None:
    table = np.random.default_rng(0).random((5, 10_000)) < 0.8
    start = time.process_time()
    found = interval(table, draws=2000)
    assert time.process_time() - start < 10
    assert 0.5 < found.high - found.low < 1.8
