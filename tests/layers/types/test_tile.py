"""Tile."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example("tile_param { tiles: 2 }")


def test_numbers() -> None:
    x = np.arange(6.0).reshape(2, 3)
    check_layer('type: "Tile" tile_param { tiles: 3 }', [x], [np.tile(x, (1, 3))])
    check_layer('type: "Tile" tile_param { axis: -2 tiles: 2 }', [x], [np.tile(x, (2, 1))])
    refused('type: "Tile"', [(2, 3)], "`tiles` is missing", "tiles:")
