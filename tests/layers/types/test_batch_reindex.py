"""BatchReindex."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (2,)], given={1: np.array([2, 0])})


def test_numbers() -> None:
    x = np.arange(6.0).reshape(3, 2)
    check_layer('type: "BatchReindex"', [x, np.array([2, 0, 2, 2])], [x[[2, 0, 2, 2]]])
    refused('type: "BatchReindex"', [(3, 2), (2, 2)], "one axis of indices", "flatten")
