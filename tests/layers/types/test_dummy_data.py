"""DummyData."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from tests.layers.helper import plan_of


def shapes(options: str, tops: int = 1) -> list[object]:
    heads = " ".join(f'top: "t{index}"' for index in range(tops))
    plan = plan_of(f'layer {{ name: "d" type: "DummyData" {heads} dummy_data_param {{ {options} }} }}')
    return list(plan.layers[0].top_shapes)


def test_shapes() -> None:
    assert shapes("shape { dim: 2 dim: 3 }", 2) == [(2, 3)] * 2
    assert shapes("shape { dim: 2 dim: 3 } shape { dim: 2 }", 2) == [(2, 3), (2,)]
    assert shapes("num: 2 num: 5 channels: 3 height: 4 width: 4", 2) == [(2, 3, 4, 4), (5, 3, 4, 4)]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("", "the shape is missing"),
        ("num: 2 channels: 3", "must be given together"),
        ("shape { dim: 2 } num: 2", "both `shape` and `num`"),
        ("shape { dim: 2 } shape { dim: 3 } shape { dim: 4 }", "one `shape` for all tops"),
        ("shape { dim: 2 } data_filler { } data_filler { } data_filler { }", "one `data_filler` for all tops"),
    ],
)
def test_refusals(options: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        shapes(options, 2)


def test_a_filler_that_does_not_fit_is_refused_before_data_is_made() -> None:
    with pytest.raises(UserError, match="min is above max") as caught:
        plan_of('layer { name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { shape { dim: 2 } '
                'data_filler { } data_filler { type: "uniform" min: 2 max: 1 } } }')  # fmt: skip
    assert len(caught.value.problems) == 1
