"""PairScore, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from caffelungo.layers import pair_measures
from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(4, 3), (4, 3), (4,)], tops=3, given={2: np.array([0, 1, 0, 1])})

A = np.zeros((6, 2))
B = np.array([[0.5, 0.0], [1.0, 0.0], [0.0, 0.2], [0.8, 0.0], [0.0, 2.0], [0.5, 0.0]])
SAME = np.array([1, 0, 1, 1, 0, 0])
# Distances 0.5, 1, 0.2, 0.8, 2 and 0.5: together are 0.2, 0.5 and 0.8, apart 0.5, 1 and 2.


def test_numbers() -> None:
    # Of the nine couples of a pair together and one apart, one is equal and one in the wrong order.
    wanted = [np.array(7.5 / 9), np.array(1 / 3), np.array(4 / 6)]
    check_layer('type: "PairScore"', [A, B, SAME], wanted, gradient=False)
    check_layer('type: "PairScore" lungo { pair_score { threshold: 0.9 } }', [A, B, SAME],
                [*wanted[:2], np.array(5 / 6)], gradient=False)  # fmt: skip


PAIRS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({same for _, same in pairs}) == 2
)


@given(PAIRS)
def test_the_area_and_the_equal_error_rate(pairs: list[tuple[int, bool]]) -> None:
    distance, same = (np.array(column, float) for column in zip(*pairs, strict=True))
    ours = pair_measures.area(torch.from_numpy(distance), torch.from_numpy(same))
    assert float(ours) == pytest.approx(roc_auc_score(same, -distance))
    wrong, right, _ = roc_curve(same, -distance, drop_intermediate=False)
    at = np.linspace(0, 1, 200_001)  # the point of the curve where both errors are equal, by search
    wanted = at[np.argmin(np.abs(1 - np.interp(at, wrong, right) - at))]
    found = float(pair_measures.equal_error_rate(torch.from_numpy(distance), torch.from_numpy(same)))
    vertical = any(
        b == a and 1 - d <= a <= 1 - c for a, b, c, d in zip(wrong, wrong[1:], right, right[1:], strict=False)
    )
    assert vertical or found == pytest.approx(wanted, abs=2e-5)
    assert 0 <= found <= 1


@given(PAIRS)
def test_no_threshold_tells_more_pairs_right(pairs: list[tuple[int, bool]]) -> None:
    distance, same = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    distance += 0.25  # so that there is room below all of them
    best = pair_measures.best_threshold(distance, same)
    found = float(pair_measures.accuracy(distance, same, best))
    others = [float(pair_measures.accuracy(distance, same, at)) for at in np.arange(0, 9, 0.5)]
    assert found == pytest.approx(max(others))


def test_the_threshold_is_in_the_middle() -> None:
    assert pair_measures.best_threshold(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1, 1, 0])) == 2.5
    assert pair_measures.best_threshold(torch.tensor([2.0, 1.0]), torch.tensor([0, 0])) == 0.5


def test_refusals() -> None:
    refused('type: "PairScore"', [(3, 2), (3, 4), (3,)], "the same size", "N x C")
    refused('type: "PairScore"', [(3, 2), (3, 2), (2,)], "one similarity each", "N x C")
