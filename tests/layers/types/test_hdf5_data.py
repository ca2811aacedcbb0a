"""HDF5Data."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from tests.layers.helper import plan_of

GOOD = 'source: "files.txt" batch_size: 8'


def plan(options: str, more: str = "") -> object:
    return plan_of(f'layer {{ name: "d" type: "HDF5Data" top: "a" top: "b" hdf5_data_param {{ {options} }} {more} }}')


def test_shapes_come_from_the_data() -> None:
    assert plan(GOOD).layers[0].top_shapes == (None, None)


@pytest.mark.parametrize(
    ("options", "more", "what"),
    [
        ("batch_size: 8", "", "`source` is missing"),
        ('source: "files.txt"', "", "`batch_size` is missing"),
        (GOOD, "transform_param { scale: 2 }", "does not transform"),
    ],
)
def test_refusals(options: str, more: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        plan(options, more)
