"""`.safetensors`: values, types and extras come back; what has other names or is damaged is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from caffelungo.errors import UserError
from caffelungo.weights import Weights, formats
from tests.weights.samples import blobs, extras, same, small, survives, words


@given(st.dictionaries(words, st.lists(blobs, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory, layers):
    path = tmp_path_factory.getbasetemp() / "round.safetensors"
    weights = Weights(layers, dict.fromkeys(layers, "X"), extras(), "net")
    formats.write(path, weights)
    again = formats.read(path)
    assert same(Weights(dict(sorted(layers.items()))), Weights(dict(sorted(again.layers.items()))))
    assert (again.types, again.extras, again.name) == (weights.types, weights.extras, "net")


@pytest.mark.parametrize("typed", [True, False])
def test_layers_come_in_one_order_each_time(tmp_path, typed):
    """That of the net where the file knows it; the library gives the tensors in another one each time."""
    path, names = tmp_path / "x.safetensors", [f"l{number}" for number in (3, 1, 4, 15, 9, 2, 6)]
    layers = {name: [np.zeros(1, np.float32)] for name in names}
    formats.write(path, Weights(layers, dict.fromkeys(names, "Scale") if typed else {}))
    assert list(formats.read(path).layers) == (names if typed else sorted(names))


@pytest.mark.parametrize("types", ["[1]", "3", '"x"', "[" * 20_000, '{"a":', "null"])
def test_types_that_are_none_are_told(tmp_path, types):
    path = tmp_path / "x.safetensors"
    save_file({"fc.0": np.ones(1, np.float32)}, path, {"types": types})
    with pytest.raises(UserError, match="damaged"):
        formats.read(path)


def test_the_library_reads_ours(tmp_path):
    path = tmp_path / "x.safetensors"
    formats.write(path, small())
    assert sorted(load_file(path)) == ["fc.0", "inc/3x3.0", "inc/3x3.1"]


def test_half_precision_becomes_single(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"fc.0": np.ones(3, np.float16)}, path)
    assert formats.read(path).layers["fc"][0].dtype == np.float32


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["conv1.weight"], "not named `<layer>.<blob index>`"),
        (["7"], "not named `<layer>.<blob index>`"),
        (["fc.0", "fc.2"], "layer `fc` are not numbered 0, 1"),
        ([], "contains no weights"),
    ],
)
def test_other_names_are_told(tmp_path, names, message):
    path = tmp_path / "x.safetensors"
    save_file({name: np.ones(1, np.float32) for name in names}, path)
    with pytest.raises(UserError, match=message):
        formats.read(path)


def test_damaged_files_are_told(tmp_path):
    path = tmp_path / "x.safetensors"
    formats.write(path, small())
    assert survives(path, formats.read) > 120
