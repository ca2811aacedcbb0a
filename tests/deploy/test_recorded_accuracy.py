"""The accuracy that is put into an exported file: of 30 pictures with the file's own classes but for five."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.deploy.recorded_accuracy import with_accuracy
from caffelungo.errors import UserError
from caffelungo.inference.classify import Classifier
from caffelungo.inference.metadata import sha256
from tests.deploy.nets import RECORD, SMALL, random_weights


@pytest.fixture(scope="module")
def photos(classifier_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accuracy")
    rng = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(rng.integers(0, 256, (13, 11, 3), dtype=np.uint8)).save(folder / f"{number:02}.png")
    found = Classifier(classifier_file, "cpu").classify([folder])
    lines = [f"{one.name} {one.guesses[1 if place < 5 else 0].index}" for place, one in enumerate(found)]
    (folder / "list.txt").write_text("\n".join(lines))
    return folder


def make(path: Path, text: str = SMALL) -> object:
    return export(parse_net(text), random_weights(text), path, ExportOptions(record=RECORD, batches=(1, 2)))


def test_it_stands_in_the_file(photos: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    written, done = with_accuracy(make, tmp_path / "m.onnx", [photos / "list.txt"], progress=stages.append)
    assert (written.path, written.size) == (tmp_path / "m.onnx", (tmp_path / "m.onnx").stat().st_size)
    told = {entry.key: entry.value for entry in onnx.load(written.path).metadata_props}
    expected = {"accuracy": 0.833333, "right": 25, "pictures": 30, "lists": {"list.txt": sha256(photos / "list.txt")}}
    assert json.loads(told["accuracy"]) == expected
    assert (done.right[0], done.known) == (25, 30)
    assert stages == ["measuring the accuracy"]
    assert list(tmp_path.iterdir()) == [written.path]
    assert len(Classifier(written.path, "cpu").classify([photos])) == 30


def test_mistakes_leave_no_file(photos: Path, tmp_path: Path) -> None:
    (photos / "open.txt").write_text(f"{photos}/00.png 1\n{photos}/01.png\n")
    (photos / "gone.txt").write_text(f"{photos}/00.png 1\n{photos}/nowhere.png 2\n")
    numbers = SMALL[: SMALL.index('layer { name: "prob"')]
    for given, text, what in (
        ("open.txt", SMALL, "needs the class of every picture"),
        ("gone.txt", SMALL, "nowhere.png|could not be used|cannot be read"),
        ("list.txt", numbers, "accuracy needs a classifier"),
    ):
        with pytest.raises(UserError, match=what):
            with_accuracy(partial(make, text=text), tmp_path / "m.onnx", [photos / given])
    assert list(tmp_path.iterdir()) == []
