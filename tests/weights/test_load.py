"""What `--weights` takes: one file, several, torchvision's names."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import Location, UserError
from caffelungo.weights import Weights, formats
from caffelungo.weights.load import load


def write(path, **layers):
    formats.write(path, Weights({name: [np.full(1, value, np.float32)] for name, value in layers.items()}))


def test_a_comma_list_is_merged_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("a.caffemodel", x=1, y=1)
    write("b.caffemodel.h5", y=2)
    assert load("a.caffemodel, b.caffemodel.h5").layers["y"][0] == 2
    assert load(["b.caffemodel.h5", "a.caffemodel"]).layers["y"][0] == 1
    assert load("a.caffemodel,b.caffemodel.h5").path == "a.caffemodel, b.caffemodel.h5"


def test_a_comma_in_a_files_name(tmp_path):
    write(tmp_path / "a,b.caffemodel", x=1)
    assert list(load(str(tmp_path / "a,b.caffemodel")).layers) == ["x"]


def test_a_path_beside_the_file_that_names_it(tmp_path):
    write(tmp_path / "a.caffemodel", x=1)
    assert load("a.caffemodel", beside=tmp_path / "solver.prototxt").layers["x"][0] == 1


def test_missing_and_unnamed_files(tmp_path):
    with pytest.raises(UserError, match="weights file not found") as error:
        load("nosuch.caffemodel", beside=tmp_path / "s.prototxt", where=Location("s.prototxt", 3))
    assert str(tmp_path / "nosuch.caffemodel") in str(error.value)
    assert "s.prototxt:3" in str(error.value)
    with pytest.raises(UserError, match="no weights are named"):
        load(" , ")


def test_torchvisions_names_go_to_torchvision():
    with pytest.raises(UserError, match="attention layers"):
        load("torchvision:vit_b_16")
