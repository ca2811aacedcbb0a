from __future__ import annotations

import numpy as np
import pytest

from caffelungo.deploy.parity import Difference, Parity, difference, same_class


def test_difference_is_relative_to_the_largest_value() -> None:
    apart = difference("b", np.array([100.0, 0.0]), np.array([100.0, 0.5]), "x")
    assert apart == Difference("b", 0.5, 0.005, "x")


@pytest.mark.parametrize(
    ("expected", "got"),
    [([1.0, 2.0], [1.0]), ([1.0], [np.nan]), ([np.inf], [np.inf]), ([0.0], [1e-9])],
)
def test_what_no_tolerance_admits(expected: list[float], got: list[float]) -> None:
    assert difference("b", np.array(expected), np.array(got), "x").relative == float("inf")


def test_zeros_are_equal() -> None:
    assert difference("b", np.zeros(3), np.zeros(3), "x").relative == 0


def test_same_class() -> None:
    expected = np.array([[0.5, 0.5 - 1e-7, 0.0], [0.2, 0.8, 0.0], [0.1, 0.2, 0.7]])
    got = np.array([[0.4, 0.6, 0.0], [0.6, 0.4, 0.0], [0.1, 0.2, 0.7]])
    assert same_class(expected, got, 1e-4).tolist() == [True, False, True]


def test_summary_and_lines() -> None:
    proof = Parity({"prob": Difference("prob", 1e-7, 2e-7, "x")}, 3, Difference("fc", 1e-6, 3e-7, "x"), 10, 4, (1, 2))
    proof.top1 = (14, 14)
    assert proof.facts()["largest_relative_difference"] == {"prob": 2e-7}
    text = "\n".join(proof.lines())
    assert "10 random and 4 real input(s)" in text
    assert "all 3 blobs: 3e-07 at most (`fc`)" in text
    assert "14 of 14" in text
