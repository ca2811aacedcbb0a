"""SigmoidCrossEntropyLoss."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3, 4)], given={1: np.array([[0, 1, 1, 0]] * 3)})

X = np.array([[0.0, np.log(3)], [-np.log(3), 0.0]])
T = np.array([[1.0, 0.0], [0.25, -1.0]])
TERMS = [np.log(2), np.log(4), -0.25 * np.log(0.25) - 0.75 * np.log(0.75)]


def test_numbers() -> None:
    layer = 'type: "SigmoidCrossEntropyLoss" loss_param {{ ignore_label: -1 {} }}'
    check_layer(layer.format(""), [X, T], [np.array(sum(TERMS) / 2)])
    check_layer(layer.format("normalization: VALID"), [X, T], [np.array(sum(TERMS) / 3)])
    check_layer(layer.format("normalization: FULL"), [X, T], [np.array(sum(TERMS) / 4)])
    check_layer(layer.format("normalization: NONE"), [X, T], [np.array(sum(TERMS))])


def test_large_scores_do_not_overflow() -> None:
    check_layer(
        'type: "SigmoidCrossEntropyLoss"', [np.array([[-200.0, 300.0]]), np.array([[1.0, 0.0]])], [np.array(500.0)]
    )
    refused('type: "SigmoidCrossEntropyLoss"', [(2, 3), (2, 2)], "one target for each score", "the same shape")
