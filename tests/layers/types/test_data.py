"""Data."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from tests.layers.helper import plan_of


def plan(options: str, more: str = "", tops: str = 'top: "data" top: "label"') -> object:
    return plan_of(f'layer {{ name: "d" type: "Data" {tops} data_param {{ {options} }} {more} }}')


def test_shapes() -> None:
    options = 'source: "db" batch_size: 8'
    assert plan(options).layers[0].top_shapes == ((8, None, None, None), (8,))
    assert plan(options, "transform_param { crop_size: 5 }", 'top: "data"').layers[0].top_shapes == ((8, None, 5, 5),)


@pytest.mark.parametrize(
    ("options", "more", "what"),
    [
        ("batch_size: 8", "", "`source` is missing"),
        ('source: "db"', "", "`batch_size` is missing"),
        ('source: "db" batch_size: 1', 'transform_param { mean_file: "m" mean_value: 3 }', "both `mean_file`"),
        ('source: "db" batch_size: 1', "transform_param { force_color: true force_gray: true }", "both `force_color`"),
    ],
)
def test_refusals(options: str, more: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        plan(options, more)
