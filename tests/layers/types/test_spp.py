"""SPP."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("spp_param { pyramid_height: 2 }")

RNG = np.random.default_rng(0)


def test_numbers() -> None:
    x = RNG.normal(size=(2, 3, 4, 6))
    halves = x.reshape(2, 3, 2, 2, 2, 3)
    want = [x.max((2, 3)).reshape(2, 3), halves.max((3, 5)).reshape(2, 12)]
    check_layer('type: "SPP" spp_param { pyramid_height: 2 }', [x], [np.concatenate(want, 1)])
    layer = 'type: "SPP" spp_param { pyramid_height: 1 pool: AVE }'
    check_layer(layer, [x], [x.mean((2, 3), keepdims=True)])


def test_refusals() -> None:
    refused('type: "SPP"', [(1, 2, 9, 9)], "`pyramid_height` is missing", "pyramid_height:")
    refused(
        'type: "SPP" spp_param { pyramid_height: 3 }', [(1, 2, 5, 5)], "too small for level 2", "pyramid_height of 2"
    )
    refused('type: "SPP" spp_param { pyramid_height: 1 }', [(1, 2)], "4 axes")
