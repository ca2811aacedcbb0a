"""Sizes that only data tell flow through every layer as unknown ones."""

from __future__ import annotations

import itertools

import pytest

from tests.conformance import cases
from tests.conformance.test_layers import OWN
from tests.layers.helper import plan_of


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_shapes_without_sizes(path: object) -> None:
    plan = plan_of(cases.load(path).text)
    for planned in plan.layers:
        if planned.layer.source or not planned.bottoms:
            continue
        ranks = [range(len(shape)) for shape in planned.bottom_shapes]
        for hidden in [*itertools.product(*ranks), None]:
            shapes = [
                tuple(None if hidden is None or axis == place else size for axis, size in enumerate(shape))
                for shape, place in zip(planned.bottom_shapes, hidden or ranks, strict=True)
            ]
            tops = planned.layer.shapes(shapes)
            for known, unknown in zip(planned.top_shapes, tops, strict=True):
                assert len(known) == len(unknown)
                assert all(b is None or a == b for a, b in zip(known, unknown, strict=True))
            assert len(planned.layer.blobs(shapes)) == len(planned.params)
