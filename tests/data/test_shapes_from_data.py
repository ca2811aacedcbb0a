"""Sizes that a net's file leaves to HDF5 files are read there: no verb asks for what the data say."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelungo.data import shapes_from_data
from caffelungo.definition.reader import read_net
from caffelungo.inference.runtime import open_session
from caffelungo.weights import Weights, formats
from tests.lungo import lungo

NET = """name: "rows"
layer { name: "d" type: "HDF5Data" top: "x" top: "a" top: "b" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "fc7" type: "InnerProduct" bottom: "x" top: "fc7" inner_product_param { num_output: 5 } }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "b" }
"""


def project(folder: Path, shape: tuple[int, ...]) -> None:
    """A net, rows of ``shape`` with labels, and weights."""
    rng = np.random.default_rng(0)
    with h5py.File(folder / "rows.h5", "w") as file:
        file["x"] = rng.normal(size=(8, *shape)).astype(np.float32)
        file["a"] = np.zeros((8, 1), np.float32)
        file["b"] = (np.arange(8) % 3).astype(np.float32)
    (folder / "list.txt").write_text("rows.h5\n")
    (folder / "net.prototxt").write_text(NET)
    sizes = {"fc7": [(5, int(np.prod(shape))), (5,)], "fc8": [(3, 5), (3,)]}
    made = {name: [rng.normal(size=size).astype(np.float32) for size in both] for name, both in sizes.items()}
    formats.write(folder / "w.caffemodel", Weights(made), read_net(folder / "net.prototxt").message)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 6, 4), (1, 5, 7), (16,), (4, 9)])
def test_shapes_come_from_the_files(shape: tuple[int, ...], tmp_path: Path) -> None:
    project(tmp_path, shape)
    assert shapes_from_data.in_files(read_net(tmp_path / "net.prototxt")) == {"x": shape, "a": (1,), "b": ()}
    assert shapes_from_data.rows(read_net(tmp_path / "net.prototxt")) == ["x", "a", "b"]


@pytest.mark.parametrize("lost", ["rows.h5", "list.txt"])
def test_files_that_are_not_there_tell_nothing(lost: str, tmp_path: Path) -> None:
    project(tmp_path, (3, 8, 8))
    (tmp_path / lost).unlink()
    assert shapes_from_data.in_files(read_net(tmp_path / "net.prototxt")) == {}


@pytest.mark.parametrize("shape", [(3, 8, 8), (16,)])
def test_the_verbs_ask_for_no_shape(shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    project(tmp_path, shape)
    ran = lungo("grow", "net.prototxt", "--widen", "fc7:2", "-o", "grown.prototxt")
    inner = int(np.prod(shape))
    assert f"parameters: {5 * inner + 5 + 18:,} before" in ran.out, ran.err
    for more in ((), ("--random", "2")):
        ran = lungo("verify", "net.prototxt", "grown.prototxt", "--weights", "w.caffemodel", *more)
        assert ran.status == 0, ran.err
    ran = lungo("rewrite", "net.prototxt", "--deploy", "-o", "deploy.prototxt")
    assert ran.status == 0, ran.err
    answering = read_net("deploy.prototxt").message.layer[0].input_param.shape[0]
    assert list(answering.dim) == [1, *shape]


def test_an_export_says_what_it_takes_rows_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    project(tmp_path, (3, 8, 8))
    words = ["export", "--model", "net.prototxt", "--weights", "w.caffemodel", "-o"]
    ran = lungo(*words, "pictures.onnx")
    assert ran.status == 0, ran.err
    assert "--no-preprocess, and the exported net takes those numbers" in ran.out + ran.err
    ran = lungo(*words, "rows.onnx", "--no-preprocess")
    assert ran.status == 0, ran.err
    assert "--no-preprocess" not in ran.out + ran.err
    assert open_session("rows.onnx", "cpu").shapes["x"][1:] == [3, 8, 8]
