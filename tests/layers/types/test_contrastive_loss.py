"""ContrastiveLoss."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3, 4), (3,)], given={2: np.array([0, 1, 0])})

A = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
B = np.array([[3.0, 4.0], [1.0, 2.5], [0.0, 5.0]])
SIMILAR = np.array([1.0, 0.0, 0.0])
# Distances are 5, 0.5 and 5; only the second pair is nearer than the margin.


def test_numbers() -> None:
    layer = 'type: "ContrastiveLoss" contrastive_loss_param { margin: 2 }'
    check_layer(layer, [A, B, SIMILAR], [np.array((25 + 1.5**2) / 6)])


def test_legacy() -> None:
    layer = 'type: "ContrastiveLoss" contrastive_loss_param { margin: 2 legacy_version: true }'
    check_layer(layer, [A, B, SIMILAR], [np.array((25 + 1.75) / 6)])


def test_the_gradient_of_equal_vectors_is_finite() -> None:
    run = check_layer('type: "ContrastiveLoss"', [A, A, np.zeros(3)], [np.array(0.5)], gradient=False)
    assert np.isfinite(run.diff["x0"]).all()


def test_refusals() -> None:
    refused('type: "ContrastiveLoss"', [(3, 2), (3, 4), (3,)], "the same size", "N x C")
    refused('type: "ContrastiveLoss"', [(3, 2), (3, 2), (2,)], "one similarity each", "N x C")
