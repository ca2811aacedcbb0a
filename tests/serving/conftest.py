"""A small exported classifier, and services over it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.inference.classify import Classifier
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from tests.deploy.nets import SMALL, random_weights
from tests.serving.running import Running

RECORD = Preprocessing(resize_height=15, resize_width=12, crop_height=13, crop_width=11, mean_value=[104, 117, 123],
                       scale=0.0625)  # fmt: skip
LABELS = ["n01440764 tench, Tinca tinca", "two", "<b>drei</b> €", "four, x", "fünf"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net that ends in inner products: its map is one of occlusion."""
    path = tmp_path_factory.mktemp("served") / "small.onnx"
    export(parse_net(SMALL), random_weights(SMALL), path, ExportOptions(record=RECORD, labels=LABELS))
    return path


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """Pictures of several kinds, as files' bytes."""
    rng, files = np.random.default_rng(0), []
    for number, (mode, kind) in enumerate([("RGB", "png"), ("L", "png"), ("RGBA", "png"), ("RGB", "jpeg"),
                                           ("CMYK", "jpeg"), ("RGB", "webp")]):  # fmt: skip
        colours = rng.integers(0, 256, (17 + number, 14, 3), dtype=np.uint8)
        files.append(encoded(Image.fromarray(colours).convert(mode), kind))
    return files


def encoded(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def start(model: Path) -> Iterator[Callable[..., Running]]:
    """``start(max_batch=4, net=function)``: a service over ``model``; ``net`` is asked in place of its net."""
    running: list[Running] = []

    def started(net: Any = None, **options: Any) -> Running:
        classifier = Classifier(model, "cpu", threads=1)
        one = Running(Service(classifier, ServeOptions(model, **options)))
        if net is not None:
            own = classifier.probabilities
            classifier.probabilities = lambda images: net(own, images)  # type: ignore[method-assign]
        running.append(one)
        return one

    yield started
    for one in running:
        one.stop()
