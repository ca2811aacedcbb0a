"""Labels before the first iteration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data.labels import check, notices, scan


def array(*labels: int) -> np.ndarray:
    return np.array(labels, np.int64)


def test_a_report() -> None:
    report = scan(array(0, 3, 1, 3, 0, 3))
    assert (report.size, report.minimum, report.maximum, report.classes) == (6, 0, 3, 3)
    assert report.counts == {0: 2, 1: 1, 3: 3}
    assert report.gaps == (2,)
    assert report.describe() == "6 labels, 3 classes (0 to 3), 1 to 3 samples per class"
    assert scan(array(0, 255, 1), ignore=255).maximum == 1
    assert scan(array()).size == 0
    assert check(scan(array()), 3) == []


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50))
def test_labels_that_fit_are_no_problem(labels: list[int]) -> None:
    assert check(scan(array(*labels)), 10) == []
    assert len(check(scan(array(*labels)), max(labels))) == 1


@pytest.mark.parametrize(
    ("labels", "outputs", "options", "remedy"),
    [
        ([1, 2, 3], 3, {}, "write `lungo { label_offset: -1 }` inside `transform_param { }` of layer"),
        ([1, 2, 3], 3, {"can_offset": False}, "subtract 1 from each"),
        ([-1, 0, 1], 3, {"offset": -1}, "remove `label_offset: -1`"),
        ([0, 1, 5], 3, {}, "set `num_output: 6`"),
        ([-1, 0, 1], 3, {}, "number the classes from 0"),
        ([1, 2, 9], 3, {}, "set `num_output: 10`"),
        ([0, 1, 255], 4, {}, "if 255 marks samples without a class, write `ignore_label: 255`"),
        ([0, 1, 99], 2, {}, "`ignore_label: 99` (in loss_param and accuracy_param); else set `num_output: 100`"),
    ],
)
def test_labels_that_do_not_fit(labels: list[int], outputs: int, options: dict, remedy: str) -> None:
    problem = check(scan(array(*labels)), outputs, layer="data", **options)[0]
    assert remedy in (problem.remedy or "")
    assert f"labels {min(labels)} to {max(labels)} for {outputs} outputs" in (problem.received or "")
    assert "`data`" in problem.what


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 1, 4, 5], [0, 1, 4, 255]])
def test_labels_that_are_classes_are_not_to_be_ignored(labels: list[int]) -> None:
    assert "ignore_label" not in str(check(scan(array(*labels)), 3)[0])


def test_following_the_offset_makes_the_labels_fit() -> None:
    labels = array(1, 2, 3)
    assert check(scan(labels), 3)
    assert check(scan(labels - 1), 3, offset=-1) == []


def test_sorted_labels_are_said_and_shuffled_ones_are_not() -> None:
    ordered = np.repeat(np.arange(10), 20)
    assert "labels are sorted" in notices(scan(ordered), 10, layer="data")[0]
    assert notices(scan(ordered), 10, shuffled=True) == []
    rng = np.random.default_rng(0)
    assert notices(scan(rng.permutation(ordered)), 10) == []
    assert notices(scan(np.tile(np.arange(10), 20)), 10) == []
    by_file = np.concatenate([np.repeat(np.arange(10), 5)] * 4)
    assert "labels are sorted" in notices(scan(by_file), 10)[0]


def test_gaps_and_single_classes_are_said() -> None:
    assert notices(scan(array(0, 2, 4)), 8) == ["5 classes without a sample: 1, 3, 5, 6, 7"]
    assert "there is only one class" in notices(scan(array(2, 2)), None)[0]
