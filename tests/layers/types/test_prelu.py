"""PReLU."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, refused

X = np.array([[[-1.0, 2.0], [-3.0, 4.0]]])


def test_numbers() -> None:
    slope = np.array([0.5, 0.1])
    check_layer('type: "PReLU"', [X], [np.array([[[-0.5, 2.0], [-0.3, 4.0]]])], blobs=[slope])


def test_one_slope() -> None:
    layer = 'type: "PReLU" prelu_param { channel_shared: true }'
    check_layer(layer, [X], [np.where(X > 0, X, X / 4)], blobs=[np.array(0.25)])
    refused('type: "PReLU"', [(3,)], "at least 2 axes", "negative_slope")
