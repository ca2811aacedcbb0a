"""Blob moves: NumPy on arrays by layer."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.passes import moves


def blobs() -> moves.Blobs:
    return {"fc": [np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0])]}


def test_the_argument_stays() -> None:
    before = blobs()
    moves.moved(before, [moves.scale("fc", 0, 2.0), moves.rename("fc", "fc_new")])
    np.testing.assert_array_equal(before["fc"][0], blobs()["fc"][0])


def test_copy_and_rename() -> None:
    after = moves.moved(blobs(), [moves.copy("fc", "twin"), moves.rename("fc", "old")])
    assert set(after) == {"twin", "old"}
    np.testing.assert_array_equal(after["twin"][0], after["old"][0])


def test_reshape_take_pad() -> None:
    after = moves.moved(
        blobs(), [moves.take("fc", 0, 1, 1, 3), moves.pad("fc", 0, 1, 1, 2), moves.reshape("fc", 1, (2, 1))]
    )
    np.testing.assert_array_equal(after["fc"][0], [[0, 1, 2, 0, 0], [0, 4, 5, 0, 0]])
    assert after["fc"][1].shape == (2, 1)


def test_zero_columns_leave_the_outputs_as_they_were() -> None:
    inputs = np.array([1.0, -1.0, 2.0])
    after = moves.moved(blobs(), [moves.pad("fc", 0, 1, 0, 2)])
    np.testing.assert_array_equal(after["fc"][0] @ np.append(inputs, [7.0, 9.0]), blobs()["fc"][0] @ inputs)


@pytest.mark.parametrize(("axis", "factor"), [(0, [2.0, 3.0]), (1, [1.0, 2.0, 3.0])])
def test_scale_along_an_axis(axis: int, factor: list[float]) -> None:
    after = moves.moved(blobs(), [moves.scale("fc", 0, np.array(factor), axis)])
    shape = (2, 1) if axis == 0 else (1, 3)
    np.testing.assert_array_equal(after["fc"][0], blobs()["fc"][0] * np.reshape(factor, shape))


def test_absent_layers_are_left_alone() -> None:
    every = [moves.copy("x", "y"), moves.rename("x", "y"), moves.scale("x", 0, 1.0), moves.take("x", 0, 0, 0, 1)]
    assert set(moves.moved(blobs(), every)) == {"fc"}
    assert all(one.what for one in every)
