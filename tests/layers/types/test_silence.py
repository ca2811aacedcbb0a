"""Silence."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, layer_net, plan_of

EXAMPLE = Example(tops=0)


def test_its_bottoms_are_no_outputs() -> None:
    check_layer('type: "Silence"', [np.ones((2, 3)), np.ones(2)], [])
    assert plan_of(layer_net('type: "Silence"', [(2, 3)], 0)).outputs == ()
