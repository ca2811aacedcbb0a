"""The table of conversions: what it says of a net that leaves, of one that is refused, and of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.conversion import running
from benchmarks.conversion.cell import outcome
from benchmarks.conversion.subjects import Subject, options, subjects, words
from benchmarks.conversion.table import Entry, page
from caffelungo.deploy.convert import convert, examine
from caffelungo.deploy.exportable_net import fitted
from caffelungo.errors import RunError
from caffelungo.study.cells import Cell, CellResult

KIND = "benchmarks.conversion.cell:convert"
NORMALIZED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "relu" type: "PReLU" bottom: "bn" top: "bn" }
layer { name: "fc" type: "InnerProduct" bottom: "bn" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
FORK = """
layer { name: "data" type: "Data" top: "data" transform_param { mean_file: "gone.binaryproto" }
  data_param { source: "gone" batch_size: 1 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "roi" type: "ROIPooling" bottom: "conv" top: "roi" }
layer { name: "turn" type: "Permute" bottom: "roi" top: "turn" }
"""


def made(folder: Path, text: str) -> Path:
    path = folder / "own" / "net.prototxt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def result(cell: Cell, values: dict[str, object], folder: Path) -> CellResult:
    return CellResult(cell.key, "done", values, None, 1.0, 1.0, folder)


def test_lenet_and_a_net_of_a_fork(tmp_path: Path) -> None:
    made(tmp_path, FORK)
    refused, lenet = subjects(None, tmp_path, ["own/", "lenet/lenet (deploy)"])
    assert [one.title for one in (refused, lenet)] == ["own/net", "lenet/lenet (deploy)"]
    kept = tmp_path / "cell"
    kept.mkdir()
    values = outcome(lenet.path, None, lenet.flags, kept)
    assert list(kept.iterdir()) == []
    assert values["params"] == 431_080
    assert (
        values["blobs"] == 9
    )  # data as it enters, conv1, pool1, conv2, pool2, ip1 before and after its ReLU, ip2, prob
    assert values["folded"] == []
    assert values["batches"] == [1, 2, 7]
    assert values["logits"] <= values["difference"] < 1e-5
    assert values["distinct"] > 1e-3
    cell = Cell(KIND, {"net": "lenet"})
    text = page([Entry(refused), Entry(lenet, cell)], {cell.key: result(cell, values, tmp_path)})
    assert "2 nets: 1 ok, 1 refused, 0 failed, 0 not run" in text
    assert "| lenet/lenet (deploy) |  | 431,080 |" in text
    for told in ('type: "ROIPooling"', 'type: "Permute"', "mean file not found", "--shape data:", "--outputs conv"):
        assert told in text
    assert str(tmp_path) not in text


def test_a_refusal_in_a_cell_is_complete_and_leaves_nothing(tmp_path: Path) -> None:
    path = made(tmp_path, FORK)
    kept = tmp_path / "cell"
    kept.mkdir()
    refused = outcome(path, None, {}, kept)["refused"]
    assert any("ROIPooling" in one for one in refused)
    assert any("Permute" in one for one in refused)
    assert all("to do:" in one for one in refused)
    assert not any(str(tmp_path) in one for one in refused)
    assert list(kept.iterdir()) == []


def test_made_up_statistics_are_those_of_the_data_but_not_trivial(tmp_path: Path) -> None:
    net = examine(made(tmp_path, NORMALIZED), None, tmp_path / "x.onnx").net
    assert net is not None
    inputs = np.random.default_rng(0).normal(0, 50, (4, 3, 9, 9)).astype(np.float32)
    weights = running.made_up(net, {"data": inputs})
    mean, variance, factor = weights.layers["bn"]
    assert factor[0] == pytest.approx(999.982)
    assert (variance / factor > 1).all()  # of inputs as wide as 50
    assert np.ptp(mean / factor) > 0
    scale, shift = weights.layers["scale"]
    assert np.ptp(scale) > 0
    assert np.ptp(shift) > 0
    assert weights.layers["relu"][0].min() > 0.1
    kernel = weights.layers["conv"][0]
    assert kernel.std() == pytest.approx(np.sqrt(2 / 27), rel=0.3)


def test_a_file_of_other_weights_is_found_out(tmp_path: Path) -> None:
    path = made(tmp_path, NORMALIZED)
    found = examine(path, None, tmp_path / "x.onnx")
    assert found.net is not None
    assert found.part is not None
    weights = running.made_up(found.net, running.four_inputs(found))
    done = convert(path, weights, tmp_path / "x.onnx")
    arrays = dict(fitted(found.net, weights, found.part.definition)[0])
    values: dict[str, object] = {}
    running.compare(done, found.net, arrays, values)
    assert values["folded"] == ["conv"]  # in the file, BatchNorm is part of the Convolution
    key = next(key for key in arrays if key[0] == "fc")
    arrays[key] = arrays[key] * np.float32(1.001)
    with pytest.raises(RunError, match="blob `fc` differs"):
        running.compare(done, found.net, arrays, values)


def test_samples_that_are_answered_alike_are_a_failure(tmp_path: Path) -> None:
    saturated = np.eye(2, dtype=np.float32)[[0, 0, 0]]
    assert running.distinct(saturated, None) == 0
    assert running.distinct(saturated, np.float32([[9, 1], [8, 1], [5, 1]])) == pytest.approx(1 / 9)
    subject = Subject("a", "b", tmp_path, flags={"mean": [1, 2], "variables": {"depth": 50}})
    assert words(subject.flags) == "--mean 1,2 --set depth=50"
    assert options(subject.flags).mean == [1, 2]
    cell = Cell(KIND, {"net": "b"})
    values = {"distinct": 0.0, "blobs": 1, "difference": 0.0, "blob": "x", "params": 1, "operators": {"Relu": 1},
              "logits": 0.0, "batches": [1], "mb": 1.0, "rounded": {}, "folded": []}  # fmt: skip
    text = page([Entry(subject, cell)], {cell.key: result(cell, values, tmp_path)})
    assert "two different inputs have the same answer" in text
