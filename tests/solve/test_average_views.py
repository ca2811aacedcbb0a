"""`lungo test --crops`: probabilities of views averaged, against a mean over views by hand."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.data.decode import decode
from caffelungo.data.resize_pixels import resize
from caffelungo.errors import UserError
from caffelungo.report.glog import CaffeLog
from caffelungo.solve.evaluate import evaluate
from caffelungo.solve.open_test_net import open_test_net
from caffelungo.solve.options import TestOptions
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.data.make import pictures

NET = """
layer { name: "d" type: "ImageData" top: "data" top: "label" transform_param { crop_size: 6 scale: 0.01 }
  image_data_param { source: "list.txt" batch_size: 4 new_height: 9 new_width: 8 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
COUNT = 10


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path, COUNT)
    (tmp_path / "net.prototxt").write_text(NET)
    rng = np.random.default_rng(5)
    blobs = [rng.normal(size=(3, 108)).astype(np.float32), rng.normal(size=3).astype(np.float32)]
    formats.write("w.caffemodel", Weights({"ip": blobs}), None, frozenset())
    return blobs


def measured(crops: str, **more):
    options = TestOptions(
        model="net.prototxt", weights=("w.caffemodel",), device="cpu", quiet=True, crops=crops, **more
    )
    return evaluate(open_test_net(options, CaffeLog()))


def by_hand(blobs, crops: str) -> tuple[float, float]:
    """Loss and accuracy of all pictures, in float64."""
    losses, right = [], 0
    for number in range(COUNT):
        image = resize(decode(f"im{number}.png", color=True), 9, 8).transpose(2, 0, 1).astype(np.float64) * 0.01
        places = [(0, 0), (0, 2), (3, 0), (3, 2), (1, 1)] if crops == "10" else [(1, 1)]
        views = [image[:, r : r + 6, c : c + 6] for r, c in places]
        views += [view[:, :, ::-1] for view in views] if crops != "1" else []
        scores = np.stack([blobs[0].astype(np.float64) @ view.ravel() + blobs[1] for view in views])
        each = np.exp(scores - scores.max(1, keepdims=True))
        mean = (each / each.sum(1, keepdims=True)).mean(0)
        losses.append(-np.log(mean[number % 3]))
        right += int(mean.argmax() == number % 3)
    return float(np.mean(losses)), right / COUNT


@pytest.mark.parametrize("crops", ["1", "10", "flip"])
def test_probabilities_are_averaged(here, crops):
    found = measured(crops)
    loss, accuracy = by_hand(here, crops)
    assert found.result.samples == COUNT
    assert found.result.values()["loss"] == pytest.approx(loss, rel=1e-4)
    assert found.result.values()["accuracy"] == pytest.approx(accuracy)
    assert found.classified.confusion.sum() == COUNT
    assert np.trace(found.classified.confusion) == round(accuracy * COUNT)


def test_what_cannot_be_averaged_is_refused(here, tmp_path):
    with pytest.raises(UserError, match="takes 1, 10 or flip"):
        measured("5")
    (tmp_path / "net.prototxt").write_text(NET.replace("new_height: 9 new_width: 8", "new_height: 6 new_width: 6"))
    with pytest.raises(UserError, match="all crops are the same"):
        measured("10")
    (tmp_path / "net.prototxt").write_text(
        NET + 'layer { name: "h" type: "HingeLoss" bottom: "ip" bottom: "label" top: "h" }'
    )
    with pytest.raises(UserError, match="views cannot be averaged"):
        measured("flip")
