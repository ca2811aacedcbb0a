"""Concat."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(2, 3, 2, 2), (2, 4, 2, 2)])

A, B = np.arange(6.0).reshape(2, 3), 10 + np.arange(4.0).reshape(2, 2)


def test_numbers() -> None:
    check_layer('type: "Concat"', [A, B], [np.concatenate([A, B], 1)])
    check_layer('type: "Concat" concat_param { concat_dim: 0 }', [A, A], [np.concatenate([A, A])])
    check_layer('type: "Concat" concat_param { axis: -1 }', [A], [A])


def test_refusals() -> None:
    refused('type: "Concat"', [(2, 3, 4), (2, 3, 5)], r"bottom 1 .`x1`. differs", "same sizes")
    refused('type: "Concat"', [(2, 3), (2, 3, 1)], "differs from the first one", "same sizes")
    refused('type: "Concat" concat_param { axis: 1 concat_dim: 1 }', [(2, 3)], "old name", "keep `axis`")
