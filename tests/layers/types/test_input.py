"""Input."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from tests.layers.helper import plan_of


def plan(options: str, tops: str = 'top: "x"') -> object:
    return plan_of(f'layer {{ name: "i" type: "Input" {tops} input_param {{ {options} }} }}')


def test_shapes() -> None:
    assert plan("shape { dim: 2 dim: 3 }").layers[0].top_shapes == ((2, 3),)
    assert plan("shape { dim: 2 }", 'top: "x" top: "y"').layers[0].top_shapes == ((2,), (2,))
    assert plan("").layers[0].top_shapes == (None,)


def test_refusals() -> None:
    with pytest.raises(UserError, match="one `shape` for all tops"):
        plan("shape { dim: 2 } shape { dim: 3 }")
    with pytest.raises(UserError, match="dim must be at least 1"):
        plan("shape { dim: 2 dim: 0 }")
