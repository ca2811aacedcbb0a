"""What an exported file that tells several labels answers: on the console, in files, in Python."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from caffelungo.api.verbs.classify import classify
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import message_class
from caffelungo.deploy.export import Exported, export
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import UserError
from caffelungo.inference.classify import LabelReader, PictureModel, open_judge
from tests.deploy.nets import RECORD, SMALL, random_weights
from tests.lungo import lungo

NAMES = ("cat", "tall grass", "dog")
LABELS = SMALL.replace("num_output: 5", "num_output: 3").replace(
    'layer { name: "prob" type: "Softmax" bottom: "fc3" top: "prob" }',
    'layer { name: "prob" type: "Sigmoid" bottom: "fc3" top: "prob" }\n'
    'lungo { label: "cat" label: "tall grass" label: "dog" }',
)


def exported(folder: Path, text: str = LABELS, thresholds: tuple[float, ...] = (), name: str = "tags.onnx") -> Exported:
    weights = random_weights(text)
    weights.extras = message_class("lungo.NetExtras")(threshold=thresholds)
    return export(parse_net(text), weights, folder / name, ExportOptions(record=RECORD))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with thresholds between which its answers for three pictures lie."""
    folder = tmp_path_factory.mktemp("tags")
    for k in range(3):
        pixels = np.random.default_rng(k).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    first = exported(folder, name="first.onnx")
    rows = raw(first.path)
    middle = tuple(float(one) for one in np.sort(rows, 0)[1:].mean(0))  # one of three is above
    return exported(folder, thresholds=middle).path


def pictures(file: Path) -> list[str]:
    return [str(file.with_name(f"{k}.png")) for k in range(3)]


def raw(file: Path) -> np.ndarray:
    """The file's output itself."""
    model = PictureModel(file, "cpu")
    images = [model._read((name, name))[1] for name in pictures(file)]
    return model.outputs(images)["prob"]


def sets(file: Path) -> list[list[str]]:
    """The labels of each picture by the definition: those from their thresholds on, the most probable first."""
    rows, thresholds = raw(file), PictureModel(file, "cpu").metadata.thresholds
    assert thresholds is not None
    return [
        [NAMES[k] for k in sorted(np.flatnonzero(row >= thresholds), key=lambda k: -row[k])]
        for row in rows.astype(np.float32)
    ]


def test_the_labels_of_a_picture(file: Path) -> None:
    judge = open_judge(file, "cpu")
    assert isinstance(judge, LabelReader)
    found = judge.classify(pictures(file), top=1)
    assert [[guess.label for guess in each.guesses] for each in found] == sets(file)
    assert sum(map(len, sets(file))) == 3
    np.testing.assert_allclose([[one.probability for one in each.scores] for each in found], raw(file), rtol=1e-6)
    assert [one.label for one in found[0].scores] == list(NAMES)


def test_without_thresholds_half_is_said(tmp_path: Path) -> None:
    made = exported(tmp_path)
    assert made.metadata.thresholds == (0.5, 0.5, 0.5)
    assert any("keep no thresholds" in note for note in made.notes)


def test_a_sigmoid_that_nobody_named_tells_no_labels(tmp_path: Path) -> None:
    text = LABELS.replace('lungo { label: "cat" label: "tall grass" label: "dog" }', "")
    made = exported(tmp_path, text)
    assert (made.metadata.thresholds, made.metadata.classifier) == (None, None)
    again = exported(tmp_path, text, (0.1, 0.2, 0.3), "again.onnx")
    assert again.metadata.thresholds == pytest.approx((0.1, 0.2, 0.3))
    assert again.metadata.classifier == "prob"


def test_files(file: Path, tmp_path: Path) -> None:
    wanted = raw(file)
    for verb in ("classify", "infer"):
        assert lungo(verb, str(file), *pictures(file), "-o", str(tmp_path / "a.json"), "--device", "cpu").status == 0
        entries = json.loads((tmp_path / "a.json").read_text())
        assert [[one["label"] for one in entry["labels"]] for entry in entries] == sets(file)
        np.testing.assert_allclose([list(one["scores"].values()) for one in entries], wanted, atol=1e-6)
        assert lungo(verb, str(file), *pictures(file), "-o", str(tmp_path / "a.csv"), "--device", "cpu").status == 0
        header, *rows = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))
        assert header == ["picture", "labels", *NAMES]
        assert [row[1] for row in rows] == ["|".join(one) for one in sets(file)]
        np.testing.assert_allclose(np.array([row[2:] for row in rows], float), wanted, atol=1e-6)


def test_on_the_console(file: Path) -> None:
    ran = lungo("classify", str(file), *pictures(file), "--device", "cpu")
    none = sum(not one for one in sets(file))
    assert ran.out.count("(none of the labels)") == none
    assert [line.split("  ")[-2].strip() for line in ran.out.splitlines() if "%" in line and "." in line][:1] != []
    for labels in sets(file):
        for label in labels:
            assert label in ran.out


def test_in_python(file: Path) -> None:
    report = classify(file, pictures(file), device="cpu")
    assert report.classes.names == ["picture", "labels", *NAMES]
    assert len(report.classes) == 3


def test_thresholds_of_other_labels(file: Path, tmp_path: Path) -> None:
    model = onnx.load(file)
    for entry in model.metadata_props:
        if entry.key == "thresholds":
            entry.value = "[0.5]"
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match="thresholds of other labels"):
        open_judge(tmp_path / "other.onnx", "cpu").classify(pictures(file))


@pytest.mark.parametrize("text", ["[]", "0.5", "[1.5]", "[true]", '["a"]', "[NaN]"])
def test_damaged_thresholds(file: Path, tmp_path: Path, text: str) -> None:
    model = onnx.load(file)
    for entry in model.metadata_props:
        if entry.key == "thresholds":
            entry.value = text
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match="thresholds"):
        open_judge(tmp_path / "other.onnx", "cpu")
