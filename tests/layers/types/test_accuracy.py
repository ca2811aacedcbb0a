"""Accuracy."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(4, 3), (4,)], given={1: np.array([0, 1, 2, 0])})

SCORES = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]])


def test_numbers() -> None:
    # The last row is a tie between classes 0 and 1, which counts against the prediction.
    check_layer('type: "Accuracy"', [SCORES, np.array([1, 0, 1, 0])], [np.array(0.5)])


def test_top_2_and_ignored_labels() -> None:
    layer = 'type: "Accuracy" accuracy_param { top_k: 2 ignore_label: 2 }'
    check_layer(layer, [SCORES, np.array([2, 0, 1, 0])], [np.array(1.0)])


def test_each_class() -> None:
    check_layer('type: "Accuracy"', [SCORES, np.array([1, 0, 1, 0])], [np.array(0.5), np.array([0.5, 0.5, 0.0])])


def test_nothing_but_ignored_labels_is_0() -> None:
    layer = 'type: "Accuracy" accuracy_param { ignore_label: 1 }'
    check_layer(layer, [SCORES, np.ones(4)], [np.array(0.0)])


def test_refusals() -> None:
    refused('type: "Accuracy"', [(4, 3), (5,)], "one label for each prediction, 4 here", "shape 4")
    refused('type: "Accuracy" accuracy_param { top_k: 5 }', [(4, 3), (4,)], "top_k 5 is more than the 3", "at most 3")
    refused('type: "Accuracy" accuracy_param { top_k: 0 }', [(4, 3), (4,)], "top_k must be at least 1")
    refused('type: "Accuracy" accuracy_param { axis: 2 }', [(4, 3), (4,)], "axis 2 is out of range", "-2 to 1")
