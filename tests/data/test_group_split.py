"""Splits by groups and nested draws, as properties."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data import group_split, picture_groups
from caffelungo.errors import UserError

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80)
SEED = st.integers(0, 99)


@given(labels=LABELS, seed=SEED, small=st.integers(1, 6), more=st.integers(0, 6))
def test_draws_are_nested_and_as_large_as_asked(labels: list[int], seed: int, small: int, more: int) -> None:
    few, many = group_split.few(labels, small, seed), group_split.few(labels, small + more, seed)
    counts = Counter(labels)
    for label, places in few.items():
        assert many[label][: len(places)] == places
        assert len(set(places)) == len(places) == min(small, counts[label])
        assert {labels[place] for place in places} == {label}
    every = group_split.few(labels, None, seed)
    assert sorted(place for places in every.values() for place in places) == list(range(len(labels)))


@given(data=st.data(), labels=LABELS, seed=SEED, share=st.floats(0.05, 0.6))
def test_no_group_is_divided_and_every_class_can_be_learned(
    data: st.DataObject, labels: list[int], seed: int, share: float
) -> None:
    keys = data.draw(st.lists(st.sampled_from("abcdefghij"), min_size=len(labels), max_size=len(labels)))
    groups = picture_groups.merged(len(labels), [], keys)
    try:
        held = group_split.held_out(labels, groups, share, seed)
    except UserError:
        for key in set(keys):  # then no group may go alone
            inside = Counter(label for label, one in zip(labels, keys, strict=True) if one == key)
            assert any(inside[label] == Counter(labels)[label] for label in inside)
        return
    assert held == sorted(set(held))
    assert held
    sides = {key: {place in held for place, one in enumerate(keys) if one == key} for key in keys}
    assert all(len(side) == 1 for side in sides.values())
    assert {labels[place] for place in range(len(labels)) if place not in held} == set(labels)
    assert held == group_split.held_out(labels, groups, share, seed)


@given(seed=SEED, share=st.sampled_from([0.1, 0.2, 0.3, 0.5]), size=st.integers(1, 4))
def test_equal_groups_are_stratified(seed: int, share: float, size: int) -> None:
    labels = [label for label in range(4) for _ in range(10 * size)]
    groups = [list(range(start, start + size)) for start in range(0, len(labels), size)] if size > 1 else []
    held = Counter(labels[place] for place in group_split.held_out(labels, groups, share, seed))
    assert all(abs(held[label] - 10 * size * share) <= size for label in range(4)), held


def test_persons_who_show_every_class_are_divided_fairly() -> None:
    labels = [label for _ in range(12) for label in range(5)]
    groups = [list(range(5 * person, 5 * person + 5)) for person in range(12)]
    held = Counter(labels[place] for place in group_split.held_out(labels, groups, 0.25, 7))
    assert dict(held) == dict.fromkeys(range(5), 3)


def test_another_seed_draws_another_split() -> None:
    labels = [0, 1] * 30
    groups = [[i, i + 1] for i in range(0, 60, 2)]
    assert len({tuple(group_split.held_out(labels, groups, 0.2, seed)) for seed in range(10)}) > 5


def test_the_same_on_every_machine() -> None:
    labels = [0, 1, 2] * 8
    groups = [[i, i + 3] for i in range(0, 24, 6)]
    assert group_split.held_out(labels, groups, 0.25, 3) == [2, 6, 9, 10, 14, 22]
    assert group_split.few(labels, 3, 3) == {0: [9, 0, 15], 1: [13, 22, 4], 2: [11, 23, 2]}


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(UserError, match="no group can be held out"):
        group_split.held_out([0, 0, 1, 1], [[0, 1], [2, 3]], 0.5, 0)
    assert group_split.held_out([0, 0, 1, 1], [[0, 1], [2, 3]], 0.0, 0) == []


def test_a_group_with_all_of_a_class_stays_to_be_learned_from() -> None:
    labels = [0] * 10 + [1]
    group = [0, 1, 2, 3, 4, 10]  # it alone would bring class 0 to its share
    held = group_split.held_out(labels, [group], 0.5, 0)
    assert len(held) == 5
    assert not set(held) & set(group)
