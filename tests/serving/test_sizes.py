"""Files that resize pictures themselves, and files that take channels first, behind the service."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import UserError
from caffelungo.inference.classify import Classifier
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from tests.deploy.nets import SMALL, random_weights
from tests.serving.conftest import encoded
from tests.serving.running import Running

AVERAGED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 3 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "prob" type: "Softmax" bottom: "pool" top: "prob" }
"""
SIDES = [(20, 31), (40, 25), (9, 14), (20, 31)]


def record(height: int, width: int) -> Preprocessing:
    return Preprocessing(resize_shorter=16, crop_height=height, crop_width=width, mean_value=[104, 117, 123],
                         scale=0.0625)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``small`` (occlusion, channels first) and ``averaged`` (class activation)."""
    folder = tmp_path_factory.mktemp("sizes")
    for name, text, size, layout in (("small", SMALL, (13, 11), "nchw"), ("averaged", AVERAGED, (12, 12), "nhwc")):
        options = ExportOptions(record=record(*size), resize_inside=True, layout=layout)
        export(parse_net(text), random_weights(text), folder / f"{name}.onnx", options)
    return {name: folder / f"{name}.onnx" for name in ("small", "averaged")}


def photos() -> list[bytes]:
    rng = np.random.default_rng(0)
    made = []
    for height, width in SIDES:
        low = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        made.append(encoded(low.resize((width, height), Image.Resampling.BICUBIC), "png"))
    return made


@pytest.mark.parametrize("name", ["small", "averaged"])
def test_pictures_of_their_own_sizes(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    classifier = Classifier(files[name], "cpu", threads=1)
    service = Running(Service(classifier, ServeOptions(files[name], max_batch=4, max_pixels=2**20)))
    try:
        assert service.get("/model")[2]["size"] == [None, None]
        given = photos()
        content = {"images": [base64.b64encode(data).decode() for data in given]}
        status, _, answer = service.post("/classify", json.dumps(content), "application/json")
        assert status == 200, answer
        for number, data in enumerate(given):
            (tmp_path / f"{number}.png").write_bytes(data)
        told = classifier.classify([tmp_path], top=5)
        for one, each in zip(told, answer["predictions"], strict=True):
            assert [guess.index for guess in one.guesses] == [row["index"] for row in each["classes"]]
        # The map lies over what it was made of: what the features cover, or all that was covered square by square.
        status, _, answer = service.post("/map", given[0])
        assert status == 200, answer
        stream = io.BytesIO(base64.b64decode(answer["view"].removeprefix("data:image/png;base64,")))
        seen = Image.open(stream).size
        if name == "averaged":
            assert answer["map"]["method"] == "class activation"
            assert seen == (12, 12)
        else:
            assert answer["map"]["method"] == "occlusion"
            assert seen == (25, 16)  # 31 x 20, its shorter side at 16
        thin = encoded(Image.new("RGB", (30000, 1)), "png")
        status, _, answer = service.post("/classify", thin)
        assert status == 413
    finally:
        service.stop()


def test_too_long_and_thin_for_the_graph(files: dict[str, Path], tmp_path: Path) -> None:
    Image.new("RGB", (600_000, 1)).save(tmp_path / "thin.png")
    Image.new("RGB", (20, 30)).save(tmp_path / "whole.png")
    with pytest.raises(UserError, match="too large after resizing"):
        Classifier(files["small"], "cpu").classify([tmp_path])
