"""MemoryData and DummyData."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffelungo.data.sources import open_source
from caffelungo.errors import RunError, UserError
from tests.data.make import layer

MEMORY = 'name: "m" type: "MemoryData" top: "data" top: "label" '
MEMORY += "memory_data_param { batch_size: 2 channels: 2 height: 3 width: 3 }"


def test_memory_gives_the_callers_arrays_in_order() -> None:
    source: Any = open_source(layer(MEMORY))
    with pytest.raises(RunError, match="was given no arrays"):
        source.batch(0)
    data = np.random.default_rng(0).normal(size=(4, 2, 3, 3)).astype(np.float32)
    source.reset(data, [0, 1, 2, 3])
    assert source.shapes == [(2, 2, 3, 3), (2,)]
    values, labels = source.finish(source.batch(3))
    np.testing.assert_array_equal(values, data[2:])
    assert labels.tolist() == [2, 3]
    assert source.labels().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("shape", "labels"), [((3, 2, 3, 3), 3), ((4, 3, 3, 2), 4), ((4, 2, 3, 3), 3), ((0, 2, 3, 3), 0)]
)
def test_arrays_that_do_not_fit_are_refused(shape: tuple[int, ...], labels: int) -> None:
    source: Any = open_source(layer(MEMORY))
    with pytest.raises(UserError, match="do not fit layer `m`"):
        source.reset(np.zeros(shape), np.zeros(labels))


def test_dummy_fills_constants_once_and_others_anew() -> None:
    text = 'name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 4 }'
    text += ' data_filler { type: "constant" value: 1.5 } data_filler { type: "gaussian" std: 2 } }'
    source = open_source(layer(text), seed=1)
    assert source.shapes == [(2, 3), (4,)]
    assert source.size is None
    first, second = source.batch(0).arrays, source.batch(1).arrays
    assert (first[0] == 1.5).all()
    assert first[0] is second[0]
    assert not np.array_equal(first[1], second[1])
    np.testing.assert_array_equal(open_source(layer(text), seed=1).batch(1).arrays[1], second[1])


def test_dummy_with_old_sizes_and_no_filler_is_zero() -> None:
    text = 'name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { num: 2 channels: 3 height: 4 width: 5 }'
    source = open_source(layer(text))
    assert source.shapes == [(2, 3, 4, 5)] * 2
    assert not source.finish(source.batch(0))[1].any()


def test_other_layers_are_no_sources() -> None:
    with pytest.raises(UserError, match="not a data source"):
        open_source(layer('name: "i" type: "Input" top: "data"'))
