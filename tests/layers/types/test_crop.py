"""Crop."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("crop_param { axis: 2 offset: 1 }", [(2, 3, 5, 5), (2, 3, 3, 3)])

X = np.arange(120.0).reshape(1, 4, 5, 6)


def test_numbers() -> None:
    model = np.zeros((1, 2, 3, 2))
    check_layer('type: "Crop"', [X, model], [X[:, :, :3, :2]])
    check_layer('type: "Crop" crop_param { offset: 2 }', [X, model], [X[:, :, 2:5, 2:4]])
    check_layer('type: "Crop" crop_param { axis: 1 offset: 1 offset: 2 offset: 4 }', [X, model], [X[:, 1:3, 2:5, 4:6]])


def test_refusals() -> None:
    refused('type: "Crop"', [(1, 4, 5), (1, 4)], "different numbers of axes")
    refused('type: "Crop" crop_param { offset: 1 }', [(1, 4, 5), (1, 4, 5)], "does not fit on axis 2", "at most 0")
    refused('type: "Crop" crop_param { offset: 1 offset: 1 }', [(1, 4, 5), (1, 4, 4)], "one for each of the 1 axes")
