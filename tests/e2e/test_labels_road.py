"""The whole road of several labels per picture, from a table to a served answer, through the public commands."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest

from caffelungo.inference.classify import open_judge
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from caffelungo.weights.load import load
from tests.lungo import Ran, lungo
from tests.projects import labelled
from tests.serving.running import Running


def good(*words: object) -> Ran:
    ran = lungo(*words)
    assert ran.status == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands that `lungo finetune` printed have been run, all but the last."""
    folder = tmp_path_factory.mktemp("labels")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        net, weights = labelled.net(Path())
        table = labelled.tags(Path(), 48)
        ran = good("finetune", net, "--data", table, "--weights", weights, "--passes", "4", "-o", "mine")
        assert "3 labels" in ran.out
        assert "logistic regressions on frozen features" in ran.out
        commands = [shlex.split(line) for line in re.findall(r"^  lungo (.+)$", ran.out, re.MULTILINE)]
        assert [words[0] for words in commands] == ["check", "train", "test", "export", "classify"]
        said = [good(*words) for words in commands[:-1]]
        assert "mAP" in said[1].err
        assert "macro_f1" in said[1].err
        Path("tested.txt").write_text(said[2].out)
    return folder


def test_the_test_names_every_label(road: Path) -> None:
    text = (road / "tested.txt").read_text()
    assert re.search(r"mAP \d+\.\d%, micro F1 \d+\.\d%, macro F1 \d+\.\d%, means over 3 labels", text)
    for name in labelled.NAMES:
        assert name in text
    assert float(re.search(r"mAP (\d+\.\d)%", text)[1]) > 80  # type: ignore[index]  # chance is about 40


def test_thresholds_go_from_the_best_weights_into_the_file(road: Path) -> None:
    kept = load(str(road / "mine/solver_best.caffemodel")).extras
    assert len(kept.threshold) == 3
    assert list(kept.label) == list(labelled.NAMES)
    last = sorted(road.glob("mine/solver_iter_*.caffemodel"))[-1]
    assert not load(str(last)).extras.threshold  # a snapshot is what a resumed run leaves, too
    properties = {one.key: one.value for one in onnx.load(road / "mine/model.onnx").metadata_props}
    np.testing.assert_allclose(json.loads(properties["thresholds"]), list(kept.threshold), rtol=1e-6)
    assert {"parity", "labels", "classifier"} <= properties.keys()


def test_classified_and_served_answers_are_the_labels_of_the_table(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(road)
    rows = list(csv.DictReader((road / "tags.csv").read_text().splitlines()))
    good("classify", "mine/model.onnx", "photos", "-o", "answers.csv", "--device", "cpu")
    answers = {Path(row["picture"]).name: set(filter(None, row["labels"].split("|")))
               for row in csv.DictReader((road / "answers.csv").read_text().splitlines())}  # fmt: skip
    right = [answers[Path(row["path"]).name] == set(filter(None, row["tags"].split("|"))) for row in rows]
    assert np.mean(right) > 0.6  # the most frequent of the eight sets has a share of 0.25
    service = Running(Service(open_judge("mine/model.onnx", "cpu", threads=1), ServeOptions(Path("mine/model.onnx"))))
    try:
        for row in rows[:3]:
            status, _, body = service.post("/classify", Path(row["path"]).read_bytes())
            assert status == 200
            assert {one["label"] for one in body["predictions"][0]["labels"]} == answers[Path(row["path"]).name]
    finally:
        service.stop()
