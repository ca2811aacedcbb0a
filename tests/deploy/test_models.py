"""Real models of others leave, with the proof that they give the same answers, and stay readable."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.deploy_net import deploy_net
from caffelungo.deploy.export import Exported, export
from caffelungo.deploy.options import ExportOptions
from caffelungo.inference.classify import Classifier
from caffelungo.inference.runtime import open_session
from caffelungo.passes import base
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.plan.plan import Plan
from tests.support import needs_shared, shared

MODELS = {
    "lenet": (
        "lenet/examples__mnist__lenet.prototxt", "lenet/examples__mnist__lenet_iter_10000.caffemodel",
        {"Conv": 2, "MaxPool": 2, "Gemm": 2, "Relu": 1, "Softmax": 1, "Flatten": 1},
    ),
    "cifar10_quick": (
        "cifar10_quick/examples__cifar10__cifar10_quick.prototxt",
        "cifar10_quick/examples__cifar10__cifar10_quick_iter_5000.caffemodel",
        {"Conv": 3, "MaxPool": 1, "AveragePool": 2, "Gemm": 2, "Relu": 3, "Softmax": 1, "Flatten": 1},
    ),
    "mtcnn_det1": (
        "mtcnn_det1/code__codes__MTCNNv2__model__det1.prototxt",
        "mtcnn_det1/code__codes__MTCNNv2__model__det1.caffemodel",
        {"Conv": 5, "PRelu": 3, "MaxPool": 1, "Softmax": 1},
    ),
    "open_nsfw": (
        "open_nsfw/deploy.prototxt", "open_nsfw/resnet_50_1by2_nsfw.caffemodel",
        {"Conv": 53, "Relu": 49, "Add": 16, "MaxPool": 1, "GlobalAveragePool": 1, "Gemm": 1, "Softmax": 1,
         "Flatten": 1},
    ),
    "squeezenet": (
        "squeezenet_v1.1/deploy.prototxt", "squeezenet_v1.1/squeezenet_v1.1.caffemodel",
        {"Conv": 26, "Relu": 26, "Concat": 8, "MaxPool": 3, "GlobalAveragePool": 1, "Softmax": 1},
    ),
}  # fmt: skip
QUICK = ("lenet", "mtcnn_det1")
INSIDE = {"Transpose": 1, "Gather": 1, "Cast": 1, "Sub": 1}


def exported(name: str, folder: Path, **options: object) -> Exported:
    prototxt, weights, _ = MODELS[name]
    return export(
        shared("models", *prototxt.split("/")), str(shared("models", *weights.split("/"))), folder / f"{name}.onnx",
        ExportOptions(**options),  # type: ignore[arg-type]
    )  # fmt: skip


@needs_shared
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]
)
def test_every_model_leaves(name: str, tmp_path: Path) -> None:
    """Few operators, Caffe's names, any batch; OpenCV's importer of ONNX reads the same probabilities out of it."""
    made = exported(name, tmp_path, preprocess=False)
    assert made.operators == MODELS[name][2]
    model = onnx.load(made.path)
    definition = read_net(shared("models", *MODELS[name][0].split("/")))
    layers = {
        layer.name for layer in definition.message.layer if layer.type not in ("Input", "BatchNorm", "Scale", "Dropout")
    }
    assert {node.name for node in model.graph.node if not node.name.endswith("/flatten")} == layers
    blobs = {top for layer in definition.message.layer if layer.type != "Input" for top in layer.top}
    written = {output for node in model.graph.node for output in node.output}
    assert blobs & written >= set(made.outputs)
    assert {name.split("/")[0] for name in written} <= {blob.split("/")[0] for blob in blobs} | layers
    assert max(d.relative for d in made.parity.worst.values()) < 1e-5
    x = np.random.default_rng(0).normal(0, 50, (3, *deploy_net(definition).inputs["data"][1:])).astype(np.float32)
    ours = open_session(made.path, "cpu").run({"data": x})
    theirs = cv2.dnn.readNetFromCaffe(*(str(shared("models", *part.split("/"))) for part in MODELS[name][:2]))
    theirs.setInput(x)
    for blob, expected in zip(made.outputs, theirs.forward(made.outputs), strict=True):
        assert np.abs(ours[blob] - expected).max() <= 1e-4 * np.abs(expected).max()


@needs_shared
@pytest.mark.slow
def test_classify_photographs_with_nothing_but_the_file(tmp_path: Path) -> None:
    folder = shared("data", "imagenet_samples")
    record = Preprocessing(resize_height=256, resize_width=256, crop_height=227, crop_width=227,
                           mean_value=[104, 117, 123])  # fmt: skip
    made = exported("squeezenet", tmp_path, record=record, labels=folder / "synset_words.txt")
    assert made.operators == {**MODELS["squeezenet"][2], **INSIDE}
    listed = [line.rsplit(" ", 1) for line in (folder / "list.txt").read_text().splitlines() if line.strip()]
    predictions = Classifier(made.path).classify([folder / name for name, _ in listed], top=1)
    right = sum(prediction.best.index == int(label) for prediction, (_, label) in zip(predictions, listed, strict=True))
    assert 137 <= right <= 141


def learned(plan: Plan) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[tuple[int | None, ...], ...]]]:
    return [
        (one.name, one.layer.type, one.bottoms, one.tops, tuple(use.shape for use in one.params))
        for one in plan.layers
        if one.layer.type != "Input"
    ]


@pytest.mark.parametrize("name", catalogue.names())
def test_train_val_leaves_as_the_deploy_net_that_ships(name: str) -> None:
    net = catalogue.find(name)
    shipped = deploy_net(read_net(net.deploy, net.deploy_variables or None))
    data = next(iter(shipped.inputs))
    train_val = deploy_net(read_net(net.train_val, net.variables or None), shapes={data: shipped.inputs[data][1:]})
    assert train_val.inputs == shipped.inputs
    assert train_val.outputs == shipped.outputs == ["prob"]
    assert learned(train_val.plan) == learned(shipped.plan)


@pytest.mark.parametrize("name", catalogue.names())
def test_the_deploy_pass_makes_the_net_that_leaves(name: str) -> None:
    net = catalogue.find(name)
    definition = read_net(net.train_val, net.variables or None)
    shape = deploy_net(read_net(net.deploy, net.deploy_variables or None)).inputs["data"]
    passed = base.run(definition, [base.step(deploy, DeployOptions(shape=shape))]).definition.message
    assert list(passed.layer) == list(deploy_net(definition, shapes={"data": shape[1:]}).message.layer)
