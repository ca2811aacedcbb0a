"""Split."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer

EXAMPLE = Example(tops=2)


def test_numbers() -> None:
    x = np.array([[1.0, 2.0]])
    check_layer('type: "Split"', [x], [x, x, x])
