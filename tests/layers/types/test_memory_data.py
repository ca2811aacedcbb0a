"""MemoryData."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from tests.layers.helper import plan_of


def plan(options: str) -> object:
    return plan_of(f'layer {{ name: "d" type: "MemoryData" top: "x" top: "y" memory_data_param {{ {options} }} }}')


def test_shapes() -> None:
    assert plan("batch_size: 2 channels: 3 height: 4 width: 5").layers[0].top_shapes == ((2, 3, 4, 5), (2,))


def test_refusals() -> None:
    with pytest.raises(UserError, match="`width` is missing"):
        plan("batch_size: 2 channels: 3 height: 4")


def test_the_caller_alone_decides_the_order() -> None:
    """Classes cannot be drawn: an option for it would be read and do nothing."""
    with pytest.raises(UserError, match="memory_data"):
        plan_of(
            'layer { name: "d" type: "MemoryData" top: "x" top: "y" lungo { memory_data { class_balanced: true } } '
            "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 } }"
        )
