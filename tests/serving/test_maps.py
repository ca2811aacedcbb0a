from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.inference import picture_input
from caffelungo.inference.classify import Classifier
from caffelungo.inference.runtime import open_session
from caffelungo.serving import maps
from caffelungo.serving.class_activation import Cam, Ending, find, open_cam
from caffelungo.serving.occlusion import occlusion_of
from tests.deploy.nets import random_weights

FEATURES = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 14 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
"""
POOL = """layer { name: "pool" type: "Pooling" bottom: "%s" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
"""
PROB = 'layer { name: "prob" type: "Softmax" bottom: "%s" top: "prob" }'
CLASSES = """layer { name: "score" type: "%s" bottom: "%s" top: "score" %s }
"""
ENDINGS = {
    "classes are pooled": CLASSES % ("Convolution", "conv1", "convolution_param { num_output: 5 kernel_size: 1 }")
    + 'layer { name: "relu2" type: "ReLU" bottom: "score" top: "score" }\n' + POOL % "score" + PROB % "pool",
    "inner product": POOL % "conv1" + CLASSES % ("InnerProduct", "pool", "inner_product_param { num_output: 5 }")
    + PROB % "score",
    "convolution": POOL % "conv1"
    + CLASSES % ("Convolution", "pool", "convolution_param { num_output: 5 kernel_size: 1 bias_term: false }")
    + PROB % "score",
}  # fmt: skip
RECORD = Preprocessing(resize_height=16, resize_width=14, mean_value=[100], scale=0.02)


def exported(text: str, path: Path, **options: Any) -> Classifier:
    export(parse_net(FEATURES + text), random_weights(FEATURES + text), path, ExportOptions(record=RECORD, **options))
    return Classifier(path, "cpu", threads=1)


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Classifier]:
    """A classifier for each of ``ENDINGS``; the one of a convolution takes the net's own floats."""
    folder = tmp_path_factory.mktemp("endings")
    return {kind: exported(text, folder / f"{kind}.onnx", preprocess=kind != "convolution")
            for kind, text in ENDINGS.items()}  # fmt: skip


@pytest.fixture
def images() -> list[Any]:
    return list(np.random.default_rng(3).integers(0, 256, (3, 16, 14, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", list(ENDINGS))
def test_the_mean_of_a_map_is_the_score(kind: str, nets: dict[str, Classifier], images: list[Any]) -> None:
    classifier = nets[kind]
    cam = open_cam(classifier, images, threads=1)
    assert cam is not None
    model = onnx.load(classifier.path)
    last = next(node for node in model.graph.node if node.op_type == "Softmax").input[0]
    model.graph.output.append(onnx.ValueInfoProto(name=last))
    given = images[0][None] if classifier.input.takes_pictures else picture_input.apply(RECORD, images[0][None])
    scores = open_session(model.SerializeToString(), "cpu").run({classifier.input.name: given}, [last])[last]
    for index, score in enumerate(scores.reshape(-1)):
        values = cam.map(images[0], index)
        assert values.shape == (8, 7)
        constant = 0 if cam.ending.bias is None else cam.ending.bias[index]
        assert values.mean() + constant == pytest.approx(score, abs=1e-4)
    shown = maps.activation(cam, images[0], 0)
    assert ("constant" in shown.how) == (kind == "inner product")
    assert shown.values.min() >= 0
    assert shown.values.max() in (0, 1)


def test_other_endings_have_no_such_map(model: Path, tmp_path: Path, images: list[Any]) -> None:
    small = Classifier(model, "cpu", threads=1)
    assert find(onnx.load(model), "prob") is None
    assert open_cam(small, [np.zeros((13, 11, 3), np.uint8)]) is None
    # An average over parts of the picture looks alike, but a map of it would not be the decision.
    parts = POOL.replace("global_pooling: true", "kernel_size: 4 stride: 3") % "conv1"
    text = parts + CLASSES % ("InnerProduct", "pool", "inner_product_param { num_output: 5 }") + PROB % "score"
    assert open_cam(exported(text, tmp_path / "net.onnx"), images) is None


def test_a_wrong_finding_is_not_used(nets: dict[str, Classifier], images: list[Any]) -> None:
    classifier = nets["inner product"]
    right = open_cam(classifier, images)
    assert right is not None
    assert right.ending.weights is not None
    wrong = Ending(right.ending.features, right.ending.weights[::-1], right.ending.bias)
    assert not Cam(classifier, wrong, right._session).holds(images)


def test_occlusion_finds_what_the_answer_hangs_on() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    image[40:46, 60:66] = (255, 0, 0)
    sizes = []

    async def submit(group: Sequence[Any]) -> Any:
        sizes.append(len(group))
        red = np.array([(one[40:46, 60:66] == (255, 0, 0)).all(-1).mean() for one in group])
        return np.stack([1 - (0.1 + 0.8 * red), 0.1 + 0.8 * red], 1).astype(np.float32)

    shown = asyncio.run(maps.occlusion(submit, image, 1, 16))
    row, column = np.unravel_index(shown.values.argmax(), shown.values.shape)
    assert abs(row / (shown.values.shape[0] - 1) * 60 - 43) < 8
    assert abs(column / (shown.values.shape[1] - 1) * 80 - 63) < 8
    assert shown.values[:8].max() == 0
    assert max(sizes) == 16
    assert sum(sizes) == 82
    assert "81 more times" in shown.how
    assert "from 90.0% to 10.0%" in shown.how
    against = asyncio.run(maps.occlusion(submit, image, 0, 16))
    assert against.values.max() == 0
    assert "nothing supports it" in against.how


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 200, 3), (28, 28, 1)])
def test_squares_cover_the_whole_picture(shape: tuple[int, int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    image[0, 0] = 255
    plan = occlusion_of(image)
    touched = np.zeros(shape[:2], bool)
    for top, left in plan.corners():
        touched[top : top + plan.side, left : left + plan.side] = True
    assert touched[0, 0]
    assert touched[-1, -1]
    assert plan.map(0.5, np.full(len(plan.corners()), 0.5, np.float32)).max() == 0
