"""Labels of mixed pictures in SoftmaxWithLoss, against the cross-entropy of soft targets in float64."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.layers.mixed_labels import are_mixed
from tests.layers.helper import check_layer, refused

P = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]])
X = np.log(P)
ROWS = np.array([[2, 0, 0.7], [0, 2, 0.7], [1, 1, 0.7], [0, 1, 1.0]])


def soft(smoothing: float = 0.0) -> np.ndarray:
    first, second = (np.eye(3)[ROWS[:, k].astype(int)] for k in (0, 1))
    mixed = ROWS[:, 2:] * first + (1 - ROWS[:, 2:]) * second
    return mixed * (1 - smoothing) + smoothing / 3


def test_by_hand() -> None:
    """0.7 of the label 2, whose probability is 0.7, and 0.3 of the label 0, of 0.1: 0.9404."""
    wanted = -0.7 * np.log(0.7) - 0.3 * np.log(0.1)
    assert wanted == pytest.approx(0.94045, abs=1e-5)
    check_layer('type: "SoftmaxWithLoss"', [X[:1], ROWS[:1]], [np.array(wanted)])


@pytest.mark.parametrize("smoothing", [0, 0.1])
@pytest.mark.parametrize(("mode", "divisor"), [("VALID", 4), ("FULL", 4), ("BATCH_SIZE", 4), ("NONE", 1)])
def test_soft_targets(smoothing: float, mode: str, divisor: int) -> None:
    layer = f'type: "SoftmaxWithLoss" loss_param {{ normalization: {mode} }} lungo {{ label_smoothing: {smoothing} }}'
    check_layer(layer, [X, ROWS], [np.array(-(soft(smoothing) * np.log(P)).sum() / divisor)])


def test_class_weights_divide_by_the_weights_that_count() -> None:
    weights = np.array([1.0, 2.0, 5.0])
    layer = 'type: "SoftmaxWithLoss" lungo { softmax_with_loss { class_weight: 1 class_weight: 2 class_weight: 5 } }'
    total = -(soft() * weights * np.log(P)).sum()
    check_layer(layer, [X, ROWS], [np.array(total / (soft() * weights).sum())])


def test_an_ignored_label_takes_its_share_away() -> None:
    layer = 'type: "SoftmaxWithLoss" loss_param { ignore_label: 2 }'
    targets = soft() * [1, 1, 0]
    check_layer(layer, [X, ROWS], [np.array(-(targets * np.log(P)).sum() / targets.sum())])


def test_focal_loss() -> None:
    layer = 'type: "SoftmaxWithLoss" lungo { softmax_with_loss { focal_gamma: 2 } }'
    check_layer(layer, [X, ROWS], [np.array(-(soft() * (1 - P) ** 2 * np.log(P)).sum() / 4)])


def test_one_share_of_all_is_the_loss_without_mixing() -> None:
    whole = np.column_stack([ROWS[:, :2], np.ones(4)])
    wanted = [np.array(-np.log(P[np.arange(4), ROWS[:, 0].astype(int)]).mean())]
    for labels in (whole, ROWS[:, 0]):
        check_layer('type: "SoftmaxWithLoss"', [X, labels], wanted)


def test_what_counts_as_mixed() -> None:
    assert are_mixed((4, 10), (4, 3), 1)
    assert are_mixed((4, 10, 1, 1), (4, 3), 1)
    assert not are_mixed((4, 10), (4,), 1)
    assert not are_mixed((4, 10, 3), (4, 3), 1)  # a label for each of three positions
    assert not are_mixed((4, 10), (4, 2), 1)


def test_other_rows_are_refused() -> None:
    refused('type: "SoftmaxWithLoss"', [(4, 3), (4, 2)], "there must be one label for each prediction")
