"""Clip."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("clip_param { min: -1 max: 1 }")

X = np.array([[-3.0, 0.5, 9.0]])


def test_numbers() -> None:
    check_layer('type: "Clip" clip_param { min: -1 max: 2 }', [X], [np.array([[-1.0, 0.5, 2.0]])])


def test_refusals() -> None:
    refused('type: "Clip"', [(1, 3)], "bounds are missing", "clip_param")
    refused('type: "Clip" clip_param { min: 2 max: 1 }', [(1, 3)], "min is above max", "swap")
