"""SoftmaxWithLoss."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3,)], given={1: np.array([0, 3, 1])})

P = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]])
LABELS = np.array([2, 0, 1, 0])
TERMS = -np.log([0.7, 0.5, 0.3])
X = np.log(P)


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("", 3),
        ("normalization: FULL", 4),
        ("normalization: BATCH_SIZE", 4),
        ("normalization: NONE", 1),
        ("normalize: false", 4),
        ("normalize: true", 3),
        ("normalize: false normalization: NONE", 1),
    ],
)
def test_normalization(options: str, divisor: float) -> None:
    labels = np.array([2, 0, 1, 255])
    layer = f'type: "SoftmaxWithLoss" loss_param {{ ignore_label: 255 {options} }}'
    check_layer(layer, [X, labels], [np.array(TERMS.sum() / divisor)])


def test_each_position_of_a_plane() -> None:
    scores = X.T.reshape(1, 3, 2, 2)
    check_layer(
        'type: "SoftmaxWithLoss"', [scores, LABELS.reshape(1, 1, 2, 2)], [np.array((TERMS.sum() - np.log(0.2)) / 4)]
    )


def test_classes_on_the_last_axis() -> None:
    layer = 'type: "SoftmaxWithLoss" softmax_param { axis: -1 } loss_param { normalization: BATCH_SIZE }'
    check_layer(layer, [X.reshape(2, 2, 3), LABELS.reshape(2, 2)], [np.array((TERMS.sum() - np.log(0.2)) / 4)])


def test_nothing_but_ignored_labels_is_0() -> None:
    run = check_layer('type: "SoftmaxWithLoss" loss_param { ignore_label: 1 }', [X, np.ones(4)], [np.array(0.0)])
    np.testing.assert_array_equal(run.diff["x0"], 0)


def test_it_does_not_saturate() -> None:
    check_layer('type: "SoftmaxWithLoss"', [np.array([[0.0, 500.0]]), np.array([0])], [np.array(500.0)])


def test_label_smoothing_spreads_its_share_over_the_classes() -> None:
    target = np.eye(3)[LABELS] * 0.7 + 0.1
    layer = 'type: "SoftmaxWithLoss" lungo { label_smoothing: 0.3 }'
    check_layer(layer, [X, LABELS], [np.array(-(target * X).sum() / 4)])
    refused('type: "SoftmaxWithLoss" lungo { label_smoothing: 1 }', [(4, 3), (4,)], "below 1", "0.1")


def test_refusals() -> None:
    refused('type: "SoftmaxWithLoss"', [(4, 3), (3,)], "different batch sizes", "one batch_size")
    refused('type: "SoftmaxWithLoss"', [(4, 3, 2), (4,)], "one label for each prediction, 8 here", "shape 4x2")
    refused('type: "SoftmaxWithLoss" softmax_param { axis: 2 }', [(4, 3), (4,)], "axis 2 is out of range")
    refused('type: "SoftmaxWithLoss"', [(4, 3), (4,)], "takes 1 top blob", tops=2)
