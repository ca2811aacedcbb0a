"""What an exported file that predicts numbers answers: on the console, in files, in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from caffelungo.api.verbs.classify import classify
from caffelungo.definition.reader import parse_net
from caffelungo.deploy.export import Exported, export
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import UserError
from caffelungo.inference.classify import Classifier, NumberReader, PictureModel, open_judge
from tests.deploy.nets import RECORD, SMALL, random_weights
from tests.lungo import lungo

AGES = SMALL.replace("num_output: 5", "num_output: 2").replace(
    'layer { name: "prob" type: "Softmax" bottom: "fc3" top: "prob" }',
    'layer { name: "age" type: "Scale" bottom: "fc3" top: "age" scale_param { bias_term: true } }\n'
    'lungo { number { name: "age" unit: "years" } number { name: "height" } }',
)


def exported(folder: Path, text: str = AGES) -> Exported:
    return export(parse_net(text), random_weights(text), folder / "ages.onnx", ExportOptions(record=RECORD))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ages")
    made = exported(folder)
    assert made.outputs == ["age"]
    for k in range(3):
        pixels = np.random.default_rng(k).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return made.path


def pictures(file: Path) -> list[str]:
    return [str(file.with_name(f"{k}.png")) for k in range(3)]


def raw(file: Path) -> np.ndarray:
    """The file's output itself."""
    model = PictureModel(file, "cpu")
    images = [model._read((name, name))[1] for name in pictures(file)]
    return model.outputs(images)["age"]


def test_the_numbers_of_a_picture(file: Path) -> None:
    judge = open_judge(file, "cpu")
    assert isinstance(judge, NumberReader)
    found = judge.classify(pictures(file))
    np.testing.assert_allclose([[one.value for one in each.numbers] for each in found], raw(file), rtol=1e-6)
    assert [(one.name, one.unit) for one in found[0].numbers] == [("age", "years"), ("height", "")]
    assert not found[0].guesses


def test_it_is_no_classifier(file: Path) -> None:
    with pytest.raises(UserError, match="not a classifier"):
        Classifier(file, "cpu")
    with pytest.raises(UserError, match="no named classifiers"):
        open_judge(file, "cpu", "age")


def test_files(file: Path, tmp_path: Path) -> None:
    wanted = raw(file)
    for verb in ("classify", "infer"):
        assert lungo(verb, str(file), *pictures(file), "-o", str(tmp_path / "a.json"), "--device", "cpu").status == 0
        entries = json.loads((tmp_path / "a.json").read_text())
        assert [one["picture"] for one in entries] == pictures(file)
        assert [list(one["numbers"]) for one in entries] == [["age", "height"]] * 3
        np.testing.assert_allclose([list(one["numbers"].values()) for one in entries], wanted, rtol=1e-6)
        assert lungo(verb, str(file), *pictures(file), "-o", str(tmp_path / "a.csv"), "--device", "cpu").status == 0
        rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
        assert rows[0] == ["picture", "age", "height"]
        np.testing.assert_allclose(np.array([row[1:] for row in rows[1:]], float), wanted, rtol=1e-6)


def test_on_the_console(file: Path) -> None:
    ran = lungo("classify", str(file), *pictures(file)[:1], "--device", "cpu")
    first, second = ran.out.splitlines()[:2]
    assert first.split()[1:] == ["age", f"{raw(file)[0, 0]:.6g}", "years"]
    assert second.split() == ["height", f"{raw(file)[0, 1]:.6g}"]


def test_in_python(file: Path) -> None:
    report = classify(file, pictures(file), device="cpu")
    assert report.classes.names == ["picture", "age", "height"]
    assert len(report.classes) == 3


def test_no_sheet_of_classes(file: Path, tmp_path: Path) -> None:
    ran = lungo("classify", str(file), *pictures(file), "-o", str(tmp_path / "a.png"), "--device", "cpu")
    assert ran.status == 2
    assert "a sheet shows classes" in ran.err
    assert not (tmp_path / "a.png").exists()


def test_a_file_that_names_other_numbers(file: Path, tmp_path: Path) -> None:
    model = onnx.load(file)
    for entry in model.metadata_props:
        if entry.key == "numbers":
            entry.value = json.dumps({"output": "age", "numbers": [{"name": "age"}]})
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match="names other numbers"):
        open_judge(tmp_path / "other.onnx", "cpu").classify(pictures(file))


def test_names_without_an_output(tmp_path: Path) -> None:
    made = exported(tmp_path, AGES.replace('number { name: "height" }', ""))
    assert made.metadata.numbers is None
    assert any("what 1 number are" in note for note in made.notes)
