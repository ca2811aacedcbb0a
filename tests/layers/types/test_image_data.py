"""ImageData."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from tests.layers.helper import plan_of


def plan(options: str, more: str = "") -> object:
    tops = 'top: "data" top: "label"'
    return plan_of(f'layer {{ name: "d" type: "ImageData" {tops} image_data_param {{ {options} }} {more} }}')


def test_shapes() -> None:
    assert plan('source: "list"').layers[0].top_shapes == ((1, 3, None, None), (1,))
    options = 'source: "list" batch_size: 4 is_color: false new_height: 20 new_width: 30'
    assert plan(options).layers[0].top_shapes == ((4, 1, 20, 30), (4,))
    assert plan(options, "transform_param { crop_size: 9 }").layers[0].top_shapes == ((4, 1, 9, 9), (4,))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("batch_size: 8", "`source` is missing"),
        ('source: "list" new_height: 20', "must be given together"),
        ('source: "list" new_height: 8 new_width: 20', "crop_size 9 is larger"),
    ],
)
def test_refusals(options: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        plan(options, "transform_param { crop_size: 9 }")
