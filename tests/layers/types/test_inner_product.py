"""InnerProduct."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example('inner_product_param { num_output: 5 weight_filler { type: "xavier" } }')

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(5, 12)), RNG.normal(size=5)


def test_numbers() -> None:
    layer = 'type: "InnerProduct" inner_product_param { num_output: 5 }'
    check_layer(layer, [X], [X.reshape(2, 12) @ W.T + B], blobs=[W, B])


def test_axis_transposed_without_bias() -> None:
    weight = RNG.normal(size=(4, 5))
    layer = 'type: "InnerProduct" inner_product_param { num_output: 5 axis: -1 transpose: true bias_term: false }'
    check_layer(layer, [X], [X @ weight], blobs=[weight])


def test_refusals() -> None:
    refused('type: "InnerProduct"', [(2, 3)], "`num_output` is missing", "number of units")
    refused('type: "InnerProduct" inner_product_param { num_output: 0 }', [(2, 3)], "num_output must be at least 1")
    refused('type: "InnerProduct" inner_product_param { num_output: 2 axis: 2 }', [(2, 3)], "axis 2 is out of range")
