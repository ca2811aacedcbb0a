"""HingeLoss."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3,)], given={1: np.array([0, 3, 1])})

X, LABELS = np.array([[0.5, -2.0, 0.25], [0.0, 3.0, -0.5]]), np.array([0, 2])
# max(0, 1 - s x): 0.5, 0, 1.25 and 1, 4, 1.5.


def test_numbers() -> None:
    check_layer('type: "HingeLoss"', [X, LABELS], [np.array(8.25 / 2)])
    total = 0.25 + 1.25**2 + 1 + 16 + 1.5**2
    check_layer('type: "HingeLoss" hinge_loss_param { norm: L2 }', [X, LABELS], [np.array(total / 2)])
    refused('type: "HingeLoss"', [(2, 3), (2, 2)], "one label for each prediction, 2 here")
