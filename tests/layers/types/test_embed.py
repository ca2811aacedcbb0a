"""Embed."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(
    'embed_param { num_output: 3 input_dim: 5 weight_filler { type: "xavier" } }',
    [(4,)],
    given={0: np.array([0, 4, 2, 1])},
)


def test_numbers() -> None:
    weight, bias = np.arange(6.0).reshape(3, 2), np.array([10.0, 20.0])
    layer = 'type: "Embed" embed_param { num_output: 2 input_dim: 3 }'
    check_layer(layer, [np.array([[2, 0], [1, 1]])], [weight[[[2, 0], [1, 1]]] + bias], blobs=[weight, bias])
    refused('type: "Embed" embed_param { num_output: 2 }', [(3,)], "`input_dim` is missing", "input_dim:")
