"""Nets that slide over pictures of any size: ONNX Runtime at sizes that the export never saw, against PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.convert import convert
from caffelungo.deploy.export import Exported, export
from caffelungo.deploy.options import ConvertOptions, ExportOptions
from caffelungo.errors import UserError
from caffelungo.inference import picture_input
from caffelungo.inference.classify import Classifier
from caffelungo.inference.runtime import open_session
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.weights import match_layers
from tests.deploy.nets import SMALL, plan_of, random_weights

SIZES = [(17, 19), (24, 31), (40, 22)]

POOLS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 18 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
"""

SEGMENT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 18 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 4 } }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 3 alpha: 0.01 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "norm2" type: "Normalize" bottom: "pool1" top: "norm2" }
layer { name: "up" type: "Deconvolution" bottom: "norm2" top: "up"
  convolution_param { num_output: 2 kernel_size: 4 stride: 2 } }
layer { name: "score" type: "Crop" bottom: "up" bottom: "data" top: "score" crop_param { axis: 2 offset: 3 } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""

GLOBAL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 18 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "prob" type: "Softmax" bottom: "pool" top: "prob" }
"""


def in_torch(text: str, x: np.ndarray, blobs: list[str]) -> list[np.ndarray]:
    import torch

    plan = plan_of(parse_net(text).message)
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, random_weights(text)).arrays)
    net = StepNet(plan, store)
    with torch.no_grad():
        net.forward(torch.from_numpy(x))
    return [net.blob(blob).numpy().copy() for blob in blobs]


def exported(text: str, folder: Path, **options: object) -> Exported:
    wanted = ExportOptions(free_size=True, **options)  # type: ignore[arg-type]
    return export(parse_net(text), random_weights(text), folder / "x.onnx", wanted)


def holds_at_every_size(text: str, blobs: list[str], made: Exported) -> None:
    session = open_session(made.path, "cpu")
    for size in SIZES:
        x = np.random.default_rng(size[0]).normal(0, 20, (2, 3, *size)).astype(np.float32)
        told = session.run({"data": x})
        for blob, expected in zip(blobs, in_torch(text, x, blobs), strict=True):
            assert told[blob].shape == expected.shape, (blob, size)
            apart = np.abs(told[blob] - expected).max()
            assert apart <= 1e-5 * np.abs(expected).max(), (blob, size)


WINDOWS = [
    "kernel_size: 3 stride: 2", "kernel_size: 2 stride: 2", "kernel_size: 3 stride: 2 pad: 1",
    "kernel_size: 3 stride: 1 pad: 1", "kernel_size: 5 stride: 3 pad: 2", "kernel_size: 3 stride: 2 round_mode: FLOOR",
    "kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 1", "kernel_size: 4 stride_h: 2 stride_w: 3 pad_h: 1 pad_w: 0",
]  # fmt: skip
OVERHANGING = "kernel_size: 2 stride: 2 pad: 1"


def pooled(kind: str, windows: list[str]) -> str:
    return POOLS + "".join(
        f'layer {{ name: "pool{i}" type: "Pooling" bottom: "conv" top: "pool{i}" '
        f"pooling_param {{ pool: {kind} {options} }} }}\n"
        for i, options in enumerate(windows)
    )


@pytest.mark.parametrize(("kind", "windows"), [("MAX", [*WINDOWS, OVERHANGING]), ("AVE", WINDOWS)])
def test_every_pooling(kind: str, windows: list[str], tmp_path: Path) -> None:
    text = pooled(kind, windows)
    made = exported(text, tmp_path, preprocess=False)
    holds_at_every_size(text, [f"pool{i}" for i in range(len(windows))], made)


def test_pooling_without_such_a_form_is_refused(tmp_path: Path) -> None:
    text = pooled("AVE", [*WINDOWS, OVERHANGING, "kernel_size: 1 stride: 2"])
    with pytest.raises(UserError, match="no form that works at every size") as raised:
        exported(text, tmp_path, preprocess=False)
    assert [problem.what.split("`")[1] for problem in raised.value.problems] == ["pool8", "pool9"]


@pytest.mark.parametrize("opset", [18, 23])
def test_a_net_that_labels_every_pixel(opset: int, tmp_path: Path) -> None:
    made = exported(SEGMENT, tmp_path, preprocess=False, opset=opset)
    holds_at_every_size(SEGMENT, ["prob"], made)
    graph = onnx.load(made.path).graph
    names = [size.dim_param or size.dim_value for size in graph.input[0].type.tensor_type.shape.dim]
    assert names == ["batch", 3, "height", "width"]
    assert made.operators["Shape"] == 1
    assert made.parity.sizes == [[3, 29, 24], [3, 18, 41]]


def test_pictures_of_any_size(tmp_path: Path) -> None:
    record = Preprocessing(mean_value=[104, 117, 123], scale=0.5, channel_order=Preprocessing.RGB)
    made = exported(GLOBAL, tmp_path, record=record, labels=list("abcde"))
    assert "ReduceMean" not in made.operators
    session = open_session(made.path, "cpu")
    for size in SIZES:
        images = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
        expected = in_torch(GLOBAL, picture_input.apply(record, images), ["prob"])[0]
        np.testing.assert_allclose(session.run({"image": images})["prob"], expected, atol=1e-5)
    best = Classifier(made.path, "cpu").classify([np.zeros((50, 60, 3), np.uint8)], top=1)
    assert best[0].best.label in "abcde"


def test_a_kernel_that_reaches_beyond_its_plane_is_refused(tmp_path: Path) -> None:
    text = POOLS + (
        'layer { name: "far" type: "Convolution" bottom: "conv" top: "far" '
        "convolution_param { num_output: 2 kernel_size: 19 stride: 17 } }\n"
    )
    with pytest.raises(UserError, match=r"`far` .* no form that works at every size") as raised:
        exported(text, tmp_path, preprocess=False)
    assert "larger size" in str(raised.value)


def test_what_fixes_the_size_is_listed_completely(tmp_path: Path) -> None:
    options = ConvertOptions(free_size=True)
    (tmp_path / "net.prototxt").write_text(
        SMALL.replace('layer { name: "prob"',
                      'layer { name: "flat" type: "Flatten" bottom: "norm1" top: "flat" }\nlayer { name: "prob"')
    )  # fmt: skip
    with pytest.raises(UserError) as raised:
        convert(tmp_path / "net.prototxt", random_weights(SMALL), tmp_path / "x.onnx", options)
    told = str(raised.value)
    assert "`fc/2` (InnerProduct) has weights for one size" in told
    assert "--cast fc/2" in told
    assert "`flat` (Flatten) contains fixed sizes" in told
    assert "fc3" not in told
    assert not (tmp_path / "x.onnx").exists()


def test_planes_that_are_halved_and_joined_again(tmp_path: Path) -> None:
    text = (
        SEGMENT[: SEGMENT.index('layer { name: "norm1"')].replace("pad: 4", "pad: 1")
        + """
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "pool1" top: "up"
  convolution_param { num_output: 4 kernel_size: 2 stride: 2 } }
layer { name: "both" type: "Concat" bottom: "up" bottom: "conv1" top: "both" }
"""
    )
    made = exported(text, tmp_path, preprocess=False)
    assert made.parity.sizes == [[3, 48, 82], [3, 80, 50]]
