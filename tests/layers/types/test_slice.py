"""Slice."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("slice_param { slice_point: 1 }", tops=2)

X = np.arange(24.0).reshape(2, 6, 2)


def test_numbers() -> None:
    check_layer('type: "Slice"', [X], [X[:, :3], X[:, 3:]])
    layer = 'type: "Slice" slice_param { slice_point: 1 slice_point: 3 }'
    check_layer(layer, [X], [X[:, :1], X[:, 1:3], X[:, 3:]])
    check_layer('type: "Slice" slice_param { slice_dim: 0 }', [X], [X[:1], X[1:]])


def test_refusals() -> None:
    refused('type: "Slice"', [(2, 5)], "cannot be cut into 2 equal parts", "slice_point", 2)
    refused(
        'type: "Slice" slice_param { slice_point: 1 }', [(2, 6)], "3 tops need 2 slice points", "2 `slice_point:`", 3
    )
    refused('type: "Slice" slice_param { slice_point: 6 }', [(2, 6)], "slice points must increase", "first index", 2)
    refused('type: "Slice" slice_param { axis: 1 slice_dim: 1 }', [(2, 6)], "old name", "keep `axis`", 2)
