"""The measured start of a grown net's learned scale, against the norm computed layer by layer with numpy."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.errors import UserError
from caffelungo.solve.feature_length import channel_norm
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import lungo

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 }
  data_filler { type: "constant" value: 2 } data_filler { type: "constant" } } }
layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" inner_product_param { num_output: 5 } }
layer { name: "relu1" type: "ReLU" bottom: "fc1" top: "fc1" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc2" bottom: "label" top: "loss" }
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    rng = np.random.default_rng(0)
    fc1 = [rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=5).astype(np.float32)]
    fc2 = [np.zeros((2, 5), np.float32), np.zeros(2, np.float32)]
    formats.write(tmp_path / "w.caffemodel", Weights({"fc1": fc1, "fc2": fc2}, name="n"), parse_net(NET).message)
    return float(np.linalg.norm(np.maximum(fc1[0] @ np.full(3, 2.0) + fc1[1], 0)))


def test_the_norm_is_measured_behind_the_neurons(files):
    assert channel_norm("net.prototxt", "w.caffemodel", "fc1") == pytest.approx(files, rel=1e-5)


def test_grow_starts_its_scales_there(files, tmp_path):
    done = lungo("grow", "net.prototxt", "--widen", "fc1:4", "--scale", "measured", "--weights", "w.caffemodel",
                 "-o", "grown.prototxt")  # fmt: skip
    assert done.status == 0, done.err
    text = (tmp_path / "grown.prototxt").read_text()
    assert text.count(f"value: {files:.3g}") == 2


def test_without_weights_nothing_can_be_measured(files):
    done = lungo("grow", "net.prototxt", "--widen", "fc1:4", "--scale", "measured", "-o", "grown.prototxt")
    assert done.status == 2
    assert "--scale measured without --weights" in done.err
    assert lungo("grow", "net.prototxt", "--widen", "fc1:4", "--scale", "big", "-o", "g.prototxt").status == 2


def test_weights_of_another_net_are_refused(files):
    with pytest.raises(UserError):
        channel_norm("net.prototxt", "nowhere.caffemodel", "fc1")
