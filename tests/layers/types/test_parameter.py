"""Parameter."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("parameter_param { shape { dim: 2 dim: 3 } }", [])


def test_numbers() -> None:
    value = np.arange(6.0).reshape(2, 3)
    check_layer('type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } }', [], [value], blobs=[value])
    refused('type: "Parameter"', [], "`shape` is missing")
