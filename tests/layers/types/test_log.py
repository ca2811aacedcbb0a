"""Log."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("log_param { shift: 100 }")

X = np.array([[1.0, 0.5, 2.0]])


def test_numbers() -> None:
    check_layer('type: "Log"', [X], [np.log(X)])
    check_layer('type: "Log" log_param { base: 10 scale: 3 shift: 1 }', [X], [np.log10(3 * X + 1)])
    refused('type: "Log" log_param { base: 1 }', [(1, 3)], "base must be above 0", "use -1 for e")
