"""Real models of others against OpenCV's Caffe importer: an implementation that shares no code with this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from caffelungo.data import preprocess
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST, Preprocessing, message_class
from caffelungo.net.graph import GraphNet
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.weights import copy_table, formats, match_layers
from tests.support import needs_shared, shared

pytestmark = needs_shared

MODELS = {
    "lenet": ("lenet/examples__mnist__lenet.prototxt", "lenet/examples__mnist__lenet_iter_10000.caffemodel"),
    "cifar10_quick": (
        "cifar10_quick/examples__cifar10__cifar10_quick.prototxt",
        "cifar10_quick/examples__cifar10__cifar10_quick_iter_5000.caffemodel",
    ),
    "mtcnn_det1": (
        "mtcnn_det1/code__codes__MTCNNv2__model__det1.prototxt",
        "mtcnn_det1/code__codes__MTCNNv2__model__det1.caffemodel",
    ),
    "open_nsfw": ("open_nsfw/deploy.prototxt", "open_nsfw/resnet_50_1by2_nsfw.caffemodel"),
    "squeezenet": ("squeezenet_v1.1/deploy.prototxt", "squeezenet_v1.1/squeezenet_v1.1.caffemodel"),
}
TOLERANCE = 1e-4
SQUEEZENET = Preprocessing(
    resize_height=256, resize_width=256, crop_height=227, crop_width=227, mean_value=[104, 117, 123]
)


def files(name: str) -> tuple[Path, Path]:
    proto, weights = MODELS[name]
    return shared("models", *proto.split("/")), shared("models", *weights.split("/"))


def ours(prototxt: Path, weights: Path) -> tuple[Plan, Store]:
    definition = read_net(prototxt)
    plan = build_plan(definition.message, net_state(definition.message, TEST), where=definition.where)
    table = match_layers.match(plan, formats.read(weights))
    assert not table.problems
    assert table.layers(copy_table.NEW, copy_table.MISMATCH) == []
    store = Store(plan, seed=0)
    store.load(table.arrays)
    return plan, store


def opencv(prototxt: Path, weights: Path) -> Any:
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(weights))
    net.enableFusion(False)
    return net


def compare_every_blob(plan: Plan, store: Store, theirs: Any, batch: int) -> int:
    """Assert that every top of every layer agrees; the number of tops compared."""
    shape = plan.values[plan.sources[0].top_values[0]].shape
    assert shape is not None
    x = np.random.default_rng(0).normal(0, 50, (batch, *(size or 0 for size in shape[1:]))).astype(np.float32)
    net = StepNet(plan, store)
    with torch.no_grad():
        net.forward(torch.from_numpy(x))
    layers = [planned for planned in plan.layers if not planned.layer.source]
    assert all(len(planned.tops) == 1 for planned in layers)
    theirs.setInput(x)
    for planned, expected in zip(layers, theirs.forward([planned.name for planned in layers]), strict=True):
        got = net.data[planned.top_values[0]].numpy()
        assert got.shape == expected.shape, planned.name
        assert np.abs(got - expected).max() <= TOLERANCE * np.abs(expected).max(), planned.name
    return len(layers)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("lenet", 8), ("cifar10_quick", 12), ("mtcnn_det1", 10), ("open_nsfw", 228), ("squeezenet", 66)],
)
def test_every_blob_agrees(name: str, layers: int) -> None:
    plan, store = ours(*files(name))
    assert compare_every_blob(plan, store, opencv(*files(name)), batch=2) == layers


def test_upgraded_text_loads_in_opencv(tmp_path: Path) -> None:
    prototxt, weights = files("lenet")
    definition = read_net(prototxt)
    assert "layers {" not in definition.text
    (tmp_path / "lenet.prototxt").write_text(definition.text)
    plan, store = ours(prototxt, weights)
    compare_every_blob(plan, store, opencv(tmp_path / "lenet.prototxt", weights), batch=3)


@pytest.mark.parametrize("name", ["cifar10_quick", "mtcnn_det1", "squeezenet"])
def test_a_caffemodel_of_ours_with_its_record_loads_in_opencv(name: str, tmp_path: Path) -> None:
    prototxt, original = files(name)
    definition, weights = read_net(prototxt), formats.read(original)
    weights.extras = message_class("lungo.NetExtras")(
        preprocessing=SQUEEZENET, label=["first", "second", "dritte Ähre"]
    )
    written = tmp_path / "ours.caffemodel"
    formats.write(written, weights, definition.message)
    assert formats.read(written).extras.preprocessing == SQUEEZENET
    text = tmp_path / "ours.prototxt"
    text.write_text(definition.text)
    plan, store = ours(prototxt, original)
    compare_every_blob(plan, store, opencv(text, written), batch=2)


def test_squeezenet_on_photographs() -> None:
    """Pixels, weights and arithmetic together: right on 139 of 195, and OpenCV's answer on nearly all."""
    folder = shared("data", "imagenet_samples")
    listed = [line.rsplit(" ", 1) for line in (folder / "list.txt").read_text().splitlines() if line.strip()]
    labels = np.array([int(label) for _, label in listed])
    assert len(listed) == 195
    prototxt, weights = files("squeezenet")
    net, theirs = GraphNet(*ours(prototxt, weights)), opencv(prototxt, weights)
    theirs.enableFusion(True)
    first, opencvs_first = [], []
    for start in range(0, len(listed), 15):
        paths = [folder / name for name, _ in listed[start : start + 15]]
        batch = np.stack([preprocess.apply(SQUEEZENET, preprocess.read(SQUEEZENET, path)) for path in paths])
        with torch.no_grad():
            first.append(net(torch.from_numpy(batch))[1]["prob"].reshape(len(paths), -1).argmax(1).numpy())
        theirs.setInput(np.stack([_as_opencv(path) for path in paths]))
        opencvs_first.append(theirs.forward().reshape(len(paths), -1).argmax(1))
    answers, others = np.concatenate(first), np.concatenate(opencvs_first)
    assert 137 <= (answers == labels).sum() <= 141
    assert (answers == others).sum() >= 193


def _as_opencv(path: Path) -> np.ndarray:
    """Decoded, resized and cropped by OpenCV alone."""
    image = cv2.resize(cv2.imread(str(path)), (256, 256), interpolation=cv2.INTER_LINEAR)
    return (image[14:241, 14:241].astype(np.float32) - [104, 117, 123]).transpose(2, 0, 1).astype(np.float32)
