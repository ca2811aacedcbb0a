"""EuclideanLoss."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3, 4)])

A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [5.0, 1.0]])


def test_numbers() -> None:
    check_layer('type: "EuclideanLoss"', [A, B], [np.array((1 + 4 + 9) / 4)])


def test_refusals() -> None:
    refused('type: "EuclideanLoss"', [(2, 2), (3, 2)], "different batch sizes", "one batch_size")
    refused('type: "EuclideanLoss"', [(2, 2), (2, 3)], "different sizes", "same number")


def test_deviations_divide_the_differences_of_each_output() -> None:
    layer = 'type: "EuclideanLoss" lungo { euclidean_loss { deviation: 2 deviation: 0.5 } }'
    check_layer(layer, [A, B], [np.array((0.25 + 0 + 1 + 36) / 4)])
    refused(layer, [(2, 3), (2, 3)], "one `deviation` for each output", "once for each")
