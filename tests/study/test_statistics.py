"""Intervals against exact distributions (all resamples, binomial, Student's t), and against made-up experiments."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.errors import UserError
from caffelungo.study import statistics
from caffelungo.study.statistics import MeanDifference, holm, interval, paired_bootstrap


def every_resample(row: np.ndarray) -> np.ndarray:
    """The means of all equally likely resamples of ``row``."""
    return np.array([row[list(chosen)].mean() for chosen in itertools.product(range(len(row)), repeat=len(row))])


@pytest.mark.parametrize("row", [[1, 0, 0, 0, 0], [1, 0, 1, 1], [1, 1, 0, 0, 0, 1]])
def test_the_interval_of_one_seed_is_that_of_all_resamples(row: list[int]) -> None:
    exact = every_resample(np.array(row, float))
    found = interval([row], draws=40_000)
    assert found.mean == pytest.approx(100 * np.mean(row))
    # A bound of the exact distribution, within what 40,000 draws leave open (about 3 sigma of the share below it).
    for value, share in ((found.low, 0.025), (found.high, 0.975)):
        assert np.mean(exact < value / 100 - 1e-6) <= share + 0.0025
        assert np.mean(exact <= value / 100 + 1e-6) >= share - 0.0025


def test_the_difference_is_that_of_all_resamples_in_pairs() -> None:
    a, b = np.array([1, 1, 1, 0, 1, 1]), np.array([0, 1, 0, 0, 1, 1])
    exact = every_resample(a - b)
    found = paired_bootstrap([a], [b], draws=40_000)
    assert found.mean == pytest.approx(100 / 3)
    low, high = np.percentile(exact, [2.5, 97.5])
    assert found.low == pytest.approx(100 * low, abs=1e-3)
    assert found.high == pytest.approx(100 * high, abs=1e-3)
    # Nothing is below zero; at zero are draws of four pictures alone, and as often beyond on the other side.
    assert found.p == pytest.approx(2 * np.mean(exact <= 0), rel=0.1)


def test_seeds_alone_are_as_student_has_it() -> None:
    """Where all pictures of a seed agree, the interval is that of Student's t over the seeds' means, from a table."""
    table = np.repeat([[0.0], [1.0], [1.0], [1.0]], 6, axis=1)
    means = table.mean(1)
    # 3.182: 97.5 % of t with three degrees of freedom. The interval ends where an accuracy does.
    half = 3.182 * means.std(ddof=1) / 2
    found = paired_bootstrap(table, np.zeros_like(table), draws=40_000)
    assert found.low == pytest.approx(100 * max(-1, means.mean() - half), abs=2)
    assert found.high == 100
    small = paired_bootstrap(table[:, :1] * 0.01, np.zeros((4, 1)), draws=40_000)
    assert small.low == pytest.approx(means.mean() - half, abs=0.03)
    assert small.high == pytest.approx(means.mean() + half, abs=0.03)


def test_the_variance_is_that_of_two_ways_of_clusters() -> None:
    """Cameron, Gelbach and Miller 2011, by hand: of seeds, and of pictures, less what both have in common."""
    rng = np.random.default_rng(3)
    table = (rng.random((40, 60)) < rng.random((40, 1)) * 0.3 + rng.random((1, 60)) * 0.7).astype(float)
    table[rng.random(table.shape) < 0.3] = np.nan
    means = np.nanmean(table, 1)
    parts = (table - means[:, None]) / ((~np.isnan(table)).sum(1, keepdims=True) * 40)
    of_seeds = ((means - means.mean()) ** 2).sum() / (40 * 39)
    spread = math.sqrt(of_seeds + (np.nansum(parts, 0) ** 2).sum() - np.nansum(parts**2))
    found = interval(table, draws=20_000)
    assert found.mean == pytest.approx(100 * means.mean())
    assert (found.high - found.low) / 100 == pytest.approx(2 * 2.0 * spread, rel=0.05)


def test_many_pictures_need_not_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(4).random((1, 1500)) < 0.6
    drawn = interval(table)
    monkeypatch.setattr(statistics, "MANY", 1000)
    added = interval(table, seed=1)
    assert (added.low, added.high) == (pytest.approx(drawn.low, abs=0.15), pytest.approx(drawn.high, abs=0.15))


def experiment(
    rng: np.random.Generator,
    seeds: int,
    pictures: int,
    share: float,
    of_seeds: float,
    of_pictures: float,
    effect: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Two arms whose right answers differ by ``effect`` on average, by seed and by picture; a share is tested."""
    chance = 0.7 + np.zeros((seeds, pictures))
    shift = effect + rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, of_pictures, (1, pictures))
    first = (rng.random(chance.shape) < np.clip(chance + shift / 2, 0, 1)).astype(float)
    second = (rng.random(chance.shape) < np.clip(chance - shift / 2, 0, 1)).astype(float)
    for seed in range(seeds):
        left = rng.permutation(pictures)[round(share * pictures) :]
        first[seed, left] = second[seed, left] = np.nan
    return first, second


@pytest.mark.parametrize("share", [1.0, 0.3], ids=["one test set", "a test set a seed"])
@pytest.mark.parametrize("of_seeds", [0.0, 0.04, 0.15])
@pytest.mark.parametrize("seeds", [3, 5])
def test_no_more_false_alarms_than_one_in_twenty(seeds: int, of_seeds: float, share: float) -> None:
    """Arms that do not differ, whatever seeds and pictures do: 300 experiments; 25 are 3.4 sigma above 15."""
    rng = np.random.default_rng([seeds, round(100 * of_seeds), round(10 * share)])
    alarms = 0
    for number in range(300):
        a, b = experiment(rng, seeds, 60, share, of_seeds, 0.1, 0.0)
        alarms += paired_bootstrap(a, b, draws=500, seed=number).sign != 0
    assert alarms <= 25


@pytest.mark.parametrize("share", [1.0, 0.3], ids=["one test set", "a test set a seed"])
def test_coverage(share: float) -> None:
    """Nineteen intervals of twenty hold the true difference, and they are not wide for nothing."""
    rng = np.random.default_rng(round(10 * share))
    held, found = 0, []
    for number in range(200):
        a, b = experiment(rng, 5, 100, share, 0.08, 0.05, 0.1)
        found.append(paired_bootstrap(a, b, draws=500, seed=number))
        held += found[-1].low <= 10 <= found[-1].high
    assert 180 <= held <= 200
    # A difference of 30 points is seen nearly always.
    seen = [
        paired_bootstrap(*experiment(rng, 5, 100, share, 0.04, 0.05, 0.3), draws=500, seed=number).sign
        for number in range(50)
    ]
    assert sum(seen) >= 45


def test_holm() -> None:
    """The worked value: 3 x 0.01; 0.04 alone, but no less than the one before; 2 x 0.03; 4 x 0.005."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_one_and_all(ps: list[float]) -> None:
    """No p falls, none grows beyond Bonferroni's, their order stays, and the least is Bonferroni's."""
    found = holm(ps)
    assert all(p <= one <= min(1, len(ps) * p) + 1e-12 for p, one in zip(ps, found, strict=True))
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    assert [found[at] for at in order] == sorted(found)
    if ps:
        assert min(found) == min(1, len(ps) * min(ps))


def test_what_comes_of_nothing_seldom_survives_among_many() -> None:
    """Twenty arms that do not differ: on one page of twenty at most a difference is found."""
    rng = np.random.default_rng(5)
    pages = 0
    for _ in range(40):
        ps = [paired_bootstrap(*experiment(rng, 5, 40, 1, 0.05, 0.1, 0), draws=400).p for _ in range(20)]
        pages += min(holm(ps)) < 0.05
    assert pages <= 6


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


def test_pairing_removes_what_both_arms_share() -> None:
    rng = np.random.default_rng(0)
    b = rng.random((3, 300)) < 0.7
    a = b.copy()
    a[:, :9] = True
    together = paired_bootstrap(a, b)
    assert together.high - together.low < interval(a).high - interval(a).low
    assert paired_bootstrap(a, a) == MeanDifference(0, 0, 0, 1)
    assert paired_bootstrap(a, a).sign == 0


def test_sign_and_words() -> None:
    ones, zeros = np.ones((2, 50)), np.zeros((2, 50))
    found = paired_bootstrap(ones, zeros)
    assert (found.mean, found.low, found.high) == (100, 100, 100)
    # No more than so many draws can tell.
    assert found.p == pytest.approx(2 / 10_001)
    assert paired_bootstrap(zeros, ones).sign == -1
    assert str(MeanDifference(4.61, 1.3, 8.06)) == "+4.6 [+1.3, +8.1]"
    assert str(interval(ones)) == "100.0 [100.0, 100.0]"


@given(st.integers(1, 4), st.integers(1, 30), st.randoms(use_true_random=False))
def test_exchanging_the_arms_changes_the_sign(seeds: int, pictures: int, random) -> None:
    a, b = ([[random.randint(0, 1) for _ in range(pictures)] for _ in range(seeds)] for _ in range(2))
    one, other = paired_bootstrap(a, b, draws=200), paired_bootstrap(b, a, draws=200)
    assert one.mean == pytest.approx(-other.mean, abs=1e-4)
    if seeds == 1:
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-4)
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
        ([[float("nan")], [1]], [[float("nan")], [1]]),
        ([[float("inf"), 1]], [[1, 1]]),
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


def test_one_picture_of_many_decides_nothing() -> None:
    right = np.ones((1, 600))
    wrong = right.copy()
    wrong[0, 7] = 0
    for a, b in ((right, wrong), (wrong, right)):
        found = paired_bootstrap(a, b)
        assert found.sign == 0
        assert found.low <= 0 <= found.high
