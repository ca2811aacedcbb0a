"""Folds hold their share of every class, and copies stay together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from caffelungo.errors import UserError
from caffelungo.probes.folds import stratified_folds


@settings(max_examples=50, deadline=None)
@given(labels=st.lists(st.integers(0, 6), min_size=10, max_size=80), k=st.integers(2, 10), seed=st.integers(0, 9))
def test_every_class_and_every_fold_is_dealt_evenly(labels: list[int], k: int, seed: int) -> None:
    y = torch.tensor(labels)
    folds = stratified_folds(y, k, seed)
    assert torch.equal(folds, stratified_folds(y, k, seed))
    for each in set(labels):
        held = folds[y == each].bincount(minlength=k)
        assert int(held.max() - held.min()) <= 1
    held = folds.bincount(minlength=k)
    assert len(held) == k
    assert int(held.max() - held.min()) <= 1


@settings(max_examples=50, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=30, max_size=80), seed=st.integers(0, 9)
)
def test_a_group_is_in_one_fold(pairs: list[tuple[int, int]], seed: int) -> None:
    y, groups = (np.array(column) for column in zip(*pairs, strict=True))
    assume(len(np.unique(groups)) > 1)
    k = min(4, len(np.unique(groups)))
    folds = stratified_folds(y, k, seed, groups).numpy()
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    assert len(folds) == len(y)


def test_pairs_of_copies_are_dealt_as_evenly_as_pictures() -> None:
    y, groups = np.repeat(np.arange(4), 20), np.repeat(np.arange(40), 2)
    folds = stratified_folds(y, 5, 0, groups)
    for each in range(4):
        assert folds[torch.from_numpy(y == each)].bincount(minlength=5).tolist() == [4] * 5


def test_groups_may_be_named_and_seeds_differ() -> None:
    y = [0, 0, 0, 0, 1, 1, 1, 1] * 5
    assert stratified_folds(y, 2, 0, [f"p{i // 2}" for i in range(40)]).shape == (40,)
    assert not torch.equal(stratified_folds(y, 4, 0), stratified_folds(y, 4, 1))


def test_small_classes_are_spread_over_the_folds() -> None:
    folds = stratified_folds(np.arange(20), 5)
    assert folds.bincount().tolist() == [4] * 5


@pytest.mark.parametrize(
    ("y", "k", "groups"),
    [([0, 1, 2], 4, None), ([0, 1, 2], 1, None), ([0, 1, 2], 3, [0, 0, 1]), ([0, 1], 2, [0]), ([], 2, None)],
)
def test_refused(y: list[int], k: int, groups: list[int] | None) -> None:
    with pytest.raises(UserError):
        stratified_folds(y, k, 0, groups)
