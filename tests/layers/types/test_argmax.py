"""ArgMax."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(2, 5)])

X = np.array([[0.1, 0.5, 0.2, 0.5], [3.0, 1.0, 2.0, 0.0]])


def test_each_sample() -> None:
    check_layer('type: "ArgMax" argmax_param { top_k: 2 }', [X], [np.array([[[3.0, 1.0]], [[0.0, 2.0]]])])
    layer = 'type: "ArgMax" argmax_param { top_k: 2 out_max_val: true }'
    check_layer(layer, [X], [np.array([[[3.0, 1.0], [0.5, 0.5]], [[0.0, 2.0], [3.0, 2.0]]])])
    check_layer('type: "ArgMax"', [X.reshape(2, 2, 2, 1)], [np.array([3.0, 0.0]).reshape(2, 1, 1, 1)])


def test_an_axis() -> None:
    check_layer('type: "ArgMax" argmax_param { axis: 0 }', [X], [np.array([[1.0, 1.0, 1.0, 0.0]])])
    check_layer('type: "ArgMax" argmax_param { axis: -1 out_max_val: true }', [X], [np.array([[0.5], [3.0]])])


def test_refusals() -> None:
    refused('type: "ArgMax" argmax_param { top_k: 5 }', [(2, 4)], "top_k 5 is more than the 4", "at most 4")
    refused('type: "ArgMax" argmax_param { top_k: 0 }', [(2, 4)], "at least 1")
