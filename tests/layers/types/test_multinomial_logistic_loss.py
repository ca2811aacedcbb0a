"""MultinomialLogisticLoss."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3,)], given={1: np.array([0, 3, 1])}, positive=True)


def test_numbers() -> None:
    p, labels = np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([1, 0])
    check_layer('type: "MultinomialLogisticLoss"', [p, labels], [np.array(-(np.log(0.8) + np.log(0.5)) / 2)])
    refused('type: "MultinomialLogisticLoss"', [(2, 3), (2, 2)], "one label for each prediction, 2 here")
