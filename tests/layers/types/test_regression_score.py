"""RegressionScore."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, plan_of, refused, run_net

EXAMPLE = Example(shapes=[(3, 4), (3, 4)], tops=3)

P = np.array([[30.0, 1.7], [20.0, 1.8], [50.0, 1.6]])
T = np.array([[33.0, 1.7], [20.0, 1.6], [46.0, 1.8]])


def scores(predicted: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """scikit-learn's."""
    each = {"multioutput": "raw_values"}
    measures = (mean_absolute_error, root_mean_squared_error, r2_score)
    return [np.asarray(one(targets, predicted, **each)) for one in measures]


def test_numbers() -> None:
    found = scores(P, T)
    np.testing.assert_allclose(found[0], [7 / 3, 0.4 / 3])
    check_layer('type: "RegressionScore"', [P, T], found, tolerance=1e-4)


def test_a_row_of_one_number_per_sample() -> None:
    check_layer('type: "RegressionScore"', [P[:, :1], T[:, 0]], [one[:1] for one in scores(P, T)])


def test_the_first_top_alone() -> None:
    check_layer('type: "RegressionScore"', [P, T], scores(P, T)[:1])


@pytest.mark.parametrize(("predicted", "r2"), [(5.0, 1.0), (5.5, 0.0)])
def test_equal_targets_as_in_scikit_learn(predicted: float, r2: float) -> None:
    targets, answers = np.full((4, 1), 5.0), np.full((4, 1), predicted)
    assert r2_score(targets, answers) == r2
    check_layer('type: "RegressionScore"', [answers, targets], scores(answers, targets))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 1000))
def test_batches_of_any_size_give_the_scores_of_all_samples(batches: list[int], seed: int) -> None:
    import torch

    layer = (
        plan_of(
            'layer { name: "d" type: "DummyData" top: "p" top: "t" dummy_data_param { shape { dim: 4 dim: 2 } } }\n'
            'layer { name: "s" type: "RegressionScore" bottom: "p" bottom: "t" top: "a" top: "b" top: "c" }'
        )
        .layers[-1]
        .layer
    )
    rng = np.random.default_rng(seed)
    n = sum(batches) + 1
    targets = rng.normal([2000, 0.01], [3, 0.002], (n, 2)).astype(np.float32)
    predicted = (targets + rng.normal(0, [1, 0.001], (n, 2))).astype(np.float32)
    ends = [0, *np.cumsum(batches), n]
    rows = [layer.test_sums([torch.from_numpy(one[a:b]) for one in (predicted, targets)]) for a, b in pairwise(ends)]
    for ours, theirs in zip(
        layer.from_sums(torch.cat(rows)), scores(predicted.astype(float), targets.astype(float)), strict=True
    ):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-9)


def test_nothing_learns_through_it() -> None:
    run = run_net(
        'layer { name: "x0" type: "Input" top: "x0" input_param { shape { dim: 3 dim: 2 } } }\n'
        'layer { name: "s" type: "RegressionScore" bottom: "x0" bottom: "x0" top: "mae" }',
        {"x0": P}, {}, top_diffs={"mae": np.ones(2)},
    )  # fmt: skip
    assert not run.diff["x0"].any()


def test_refusals() -> None:
    refused('type: "RegressionScore"', [(3, 2), (3, 1)], "different sizes", "same number")
