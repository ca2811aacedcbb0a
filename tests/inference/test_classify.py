from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from caffelungo.data import preprocess
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import RunError, UserError
from caffelungo.inference import runtime
from caffelungo.inference.classify import Classifier
from caffelungo.inference.predictions import Prediction, as_csv, as_json, as_table, short_label
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.weights import match_layers
from tests.deploy.nets import SMALL, plan_of, random_weights
from tests.lungo import lungo

RECORD = Preprocessing(resize_height=15, resize_width=12, crop_height=13, crop_width=11, mean_value=[104, 117, 123],
                       scale=0.0625)  # fmt: skip
LABELS = ["n01440764 tench, Tinca tinca", "two", "drei €", "four, x", "fünf"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported net with preprocessing inside, one without, and seven pictures of odd kinds."""
    made = tmp_path_factory.mktemp("classify")
    for name, inside in (("inside.onnx", True), ("outside.onnx", False)):
        options = ExportOptions(record=RECORD, labels=LABELS, preprocess=inside)
        export(parse_net(SMALL), random_weights(SMALL), made / name, options)
    (made / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number, (mode, suffix) in enumerate(
        [("RGB", "png"), ("L", "png"), ("RGBA", "png"), ("RGB", "jpg"), ("CMYK", "jpg"), ("P", "png"), ("RGB", "webp")]
    ):
        colors = rng.integers(0, 256, (17 + number, 14, 3), dtype=np.uint8)
        Image.fromarray(colors).convert(mode).save(made / "photos" / f"bild {number} ä.{suffix}")
    return made


def reference(paths: list[Path]) -> np.ndarray:
    """Probabilities by the record's NumPy reference and the net in PyTorch, one picture at a time."""
    plan = plan_of(parse_net(SMALL).message)
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, random_weights(SMALL)).arrays)
    net, rows = StepNet(plan, store), []
    for path in paths:
        with torch.no_grad():
            net.forward(torch.from_numpy(preprocess.apply(RECORD, preprocess.read(RECORD, path))[None]))
        rows.append(net.blob("prob")[0].numpy().copy())
    return np.stack(rows)


@pytest.mark.parametrize("name", ["inside.onnx", "outside.onnx"])
@pytest.mark.parametrize("batch", [1, 3, 32])
def test_the_numbers_of_training(folder: Path, name: str, batch: int) -> None:
    paths = sorted((folder / "photos").iterdir())
    predictions = Classifier(folder / name, "cpu").classify([folder / "photos"], top=5, batch=batch)
    assert [prediction.name for prediction in predictions] == [str(path) for path in paths]
    for prediction, row in zip(predictions, reference(paths), strict=True):
        assert [guess.label for guess in prediction.guesses] == [LABELS[guess.index] for guess in prediction.guesses]
        got = [guess.probability for guess in prediction.guesses]
        assert got == sorted(got, reverse=True)
        np.testing.assert_allclose(got, row[[guess.index for guess in prediction.guesses]], rtol=1e-4, atol=1e-6)


def test_arrays_are_rgb(folder: Path) -> None:
    path = folder / "photos" / "bild 0 ä.png"
    classifier = Classifier(folder / "inside.onnx")
    from_file, from_array = classifier.classify([path, np.asarray(Image.open(path))], top=1)
    assert from_file.guesses == from_array.guesses
    assert from_array.name == "picture 2"
    grey = np.full((20, 20), 7, np.uint8)
    one, other = classifier.classify([grey, np.repeat(grey[:, :, None], 3, axis=2)])
    assert one.guesses == other.guesses


def test_top_is_as_many_as_there_are(folder: Path) -> None:
    classifier = Classifier(folder / "inside.onnx")
    assert len(classifier.classify([folder / "photos"], top=2)[0].guesses) == 2
    assert len(classifier.classify([folder / "photos"], top=50)[0].guesses) == 5
    with pytest.raises(UserError, match="at least 1"):
        classifier.classify([folder / "photos"], top=0)


def test_every_bad_picture_is_told_and_the_good_ones_come(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "empty").mkdir()
    given = [tmp_path / "broken.jpg", folder / "photos" / "bild 0 ä.png", tmp_path / "none.png", np.zeros((4, 4), "f4")]
    classifier, seen = Classifier(folder / "inside.onnx"), []
    with pytest.raises(UserError) as caught:
        seen.extend(prediction.name for prediction in classifier.stream(given, batch=2))
    assert seen == [str(folder / "photos" / "bild 0 ä.png")]
    assert len(caught.value.problems) == 3
    assert {"broken.jpg", "none.png", "picture 4"} == {
        Path(p.where.file).name for p in caught.value.problems if p.where
    }
    with pytest.raises(UserError, match="contains no pictures"):
        classifier.classify([tmp_path / "empty"])


@pytest.mark.parametrize("output", [None, "out.csv", "out.json", "out.png"])
def test_the_command_answers_for_the_good_pictures_and_ends_with_1(
    folder: Path, tmp_path: Path, output: str | None
) -> None:
    good = [str(folder / "photos" / f"bild {number} ä.png") for number in (0, 1)]
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    bad = [str(tmp_path / "broken.jpg"), str(tmp_path / "none.png")]
    more = ["-o", str(tmp_path / output)] if output else []
    given = ["classify", str(folder / "inside.onnx"), bad[0], good[0], bad[1], good[1], *more]
    printed = lungo(*given)
    assert printed.status == 1
    for name in bad:
        assert name in printed.err
    if output in (None, "out.csv", "out.json"):
        answers = (tmp_path / output).read_text("utf-8") if output else printed.out
        assert all(name in answers for name in good)
    else:
        assert (tmp_path / "out.png").is_file()
    assert lungo("classify", folder / "inside.onnx", *bad).status == 2


def test_outputs(folder: Path) -> None:
    predictions = Classifier(folder / "inside.onnx").classify([folder / "photos"], top=2)
    lines = as_table(predictions).splitlines()
    assert len(lines) == 14
    assert lines[0].startswith(predictions[0].name)
    assert lines[1].startswith(" ")
    data = json.loads(as_json(predictions))
    assert data[0]["classes"][0]["label"] == predictions[0].best.label
    rows = list(csv.DictReader(io.StringIO(as_csv(predictions))))
    assert [row["rank"] for row in rows[:2]] == ["1", "2"]
    assert rows[0]["label"] == predictions[0].best.label
    assert as_table([]) == ""


def test_picture(folder: Path, tmp_path: Path) -> None:
    classifier = Classifier(folder / "inside.onnx")
    predictions = classifier.classify([folder / "photos"], top=3)
    truth = {predictions[0].name: LABELS[0]}
    classifier.draw(predictions, tmp_path / "sheet.png", truth=truth, most=5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 300
    arrays = [np.zeros((30, 20, 3), np.uint8)]
    classifier.draw(classifier.classify(arrays), tmp_path / "one.png", images={"picture 1": arrays[0]})
    assert (tmp_path / "one.png").is_file()


def test_short_labels() -> None:
    assert short_label("n01440764 tench, Tinca tinca") == "tench"
    assert short_label("two words") == "two words"
    assert short_label(", x") == ", x"


@pytest.mark.skipif(runtime.cuda_devices() > 0, reason="this machine has a CUDA device")
def test_cuda_is_not_replaced_by_the_cpu(folder: Path) -> None:
    with pytest.raises(RunError, match="device cuda:0 cannot be used"):
        Classifier(folder / "inside.onnx", device="cuda")
    assert Classifier(folder / "inside.onnx", device="auto").device == "cpu"


def test_files_that_are_no_classifier(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "inside.onnx")
    del model.metadata_props[:]
    (tmp_path / "foreign.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="has no preprocessing record"):
        Classifier(tmp_path / "foreign.onnx")
    text = SMALL[: SMALL.index('layer { name: "prob"')]
    export(parse_net(text), random_weights(text), tmp_path / "plain.onnx", ExportOptions(record=RECORD))
    with pytest.raises(UserError, match="not a classifier"):
        Classifier(tmp_path / "plain.onnx")


def test_without_labels_classes_go_by_number(folder: Path, tmp_path: Path) -> None:
    export(parse_net(SMALL), random_weights(SMALL), tmp_path / "m.onnx", ExportOptions(record=RECORD))
    prediction = Classifier(tmp_path / "m.onnx").classify([np.zeros((20, 20, 3), np.uint8)])[0]
    assert isinstance(prediction, Prediction)
    assert prediction.best.label == str(prediction.best.index)
