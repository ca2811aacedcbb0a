"""Exp."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, refused

X = np.array([[-1.0, 0.5, 2.0]])


def test_numbers() -> None:
    check_layer('type: "Exp"', [X], [np.exp(X)])
    check_layer('type: "Exp" exp_param { base: 2 scale: 3 shift: 1 }', [X], [2 ** (3 * X + 1)])
    refused('type: "Exp" exp_param { base: 0 }', [(1, 3)], "base must be above 0", "use -1 for e")
