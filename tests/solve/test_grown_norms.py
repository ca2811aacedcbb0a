"""BatchNorm through growth: frozen layers keep their statistics to the bit, new units gather their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import read_net
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import lungo
from tests.passes.numbers import random_blobs

CONV = """
layer {{ name: "conv{k}" type: "Convolution" bottom: "{bottom}" top: "conv{k}"
  convolution_param {{ num_output: 6 kernel_size: 3 pad: 1 bias_term: false weight_filler {{ type: "msra" }} }} }}
layer {{ name: "bn{k}" type: "BatchNorm" bottom: "conv{k}" top: "conv{k}" }}
layer {{ name: "scale{k}" type: "Scale" bottom: "conv{k}" top: "conv{k}" scale_param {{ bias_term: true }} }}
"""
NET = (
    """layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 8 dim: 3 dim: 6 dim: 6 } shape { dim: 8 }
  data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" min: 0 max: 3.99 } } }
"""
    + CONV.format(k=1, bottom="data")
    + 'layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }\n'
    + CONV.format(k=2, bottom="conv1")
    + """
layer { name: "res" type: "Eltwise" bottom: "conv1" bottom: "conv2" top: "res" }
layer { name: "relu" type: "ReLU" bottom: "res" top: "res" }
layer { name: "pool" type: "Pooling" bottom: "res" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
)
SOLVER = """net: "net.prototxt"
base_lr: 0.05
lr_policy: "fixed"
momentum: 0.9
max_iter: 3
random_seed: 1
snapshot_prefix: "grown"
"""


def trained(*grow: str) -> tuple[dict, dict]:
    """The weights before growth and after 3 iterations of the grown net."""
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    definition = read_net("net.prototxt")
    formats.write("w.caffemodel", Weights(random_blobs(definition), name="n"), definition.message)
    for words in (
        ["grow", "net.prototxt", *grow, "-o", "grown.prototxt", "--solver", "solver.prototxt", "-q"],
        ["train", "--solver", "grown_solver.prototxt", "--weights", "w.caffemodel", "--device", "cpu"],
    ):
        ran = lungo(*words)
        assert ran.status == 0, ran.err
    return formats.read("w.caffemodel").layers, formats.read("grown_iter_3.caffemodel").layers


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("grow", [("--widen", "res:5"), ("--deepen", "res:5"), ("--widen", "res:5", "--no-normalize")])
def test_frozen_layers_keep_their_statistics_and_new_ones_gather_theirs(grow):
    before, after = trained(*grow, "--tune", "new")
    for name in ("conv1", "bn1", "scale1", "conv2", "bn2", "scale2"):
        for old, new in zip(before[name], after[name], strict=True):
            assert old.tobytes() == new.tobytes(), name
    fresh = [name for name in after if name not in before and len(after[name]) == 3]
    assert len(fresh) == (1 if "--widen" in grow else 0), "units beside a branch have its BatchNorm; the sum has none"
    for name in fresh:
        mean, variance, factor = after[name]
        assert factor[0] == pytest.approx(1 + 0.999 + 0.999**2, rel=1e-6)
        assert mean.any()
        assert (variance > 0).all()


def test_layers_that_learn_move_theirs():
    before, after = trained("--widen", "res:5")
    assert all(np.any(before[name][0] != after[name][0]) for name in ("bn1", "bn2"))
