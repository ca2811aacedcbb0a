"""The whole road through the public commands, from folders of photos to classified photos."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from caffelungo import resources
from caffelungo.weights import formats
from tests.lungo import Ran, lungo

CLASSES = ("cross it", "disc", "square")
"""In the order that `lungo finetune` numbers them."""
PICTURES = 6


def drawn(kind: str, number: int) -> Image.Image:
    """One of the pictures of class ``kind``."""
    image = Image.new("RGB", (32, 32), (20 * number, 10, 40))
    pen, box = ImageDraw.Draw(image), (4 + number, 5, 24 + number, 26)
    left, top, right, bottom = box
    if kind == "disc":
        pen.ellipse(box, fill="white")
    elif kind == "square":
        pen.rectangle(box, fill="red")
    else:
        pen.line((left, top, right, bottom), fill="lime", width=5)
        pen.line((right, top, left, bottom), fill="lime", width=5)
    return image


def good(*words: object) -> Ran:
    ran = lungo(*words)
    assert ran.status == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """A folder made by `lungo finetune`, and the commands it printed, all but the last of which have been run."""
    folder = tmp_path_factory.mktemp("road")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for kind in CLASSES:
            Path("photos", kind).mkdir(parents=True)
            for number in range(PICTURES):
                drawn(kind, number).save(Path("photos", kind, f"{number}.png"))
        ran = good("finetune", "lenet", "--data", "photos", "--val", "0.34", "--passes", "12", "-o", "mine")
        assert ran.out.startswith("3 classes, 6 pictures each: 12 to train on, 6 to test on\n")
        commands = [shlex.split(line) for line in re.findall(r"^  lungo (.+)$", ran.out, re.MULTILINE)]
        assert [words[0] for words in commands] == ["check", "train", "test", "export", "classify"]
        for words in commands[:-1]:
            good(*words, *(["-o", "mine/test"] if words[0] == "test" else []))
    return folder, commands


@pytest.fixture
def mine(road: tuple[Path, list[list[str]]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder after the road was walked, with its parent as working directory."""
    monkeypatch.chdir(road[0])
    return Path("mine")


def newest(mine: Path, stem: str = "solver") -> Path:
    return max(mine.glob(f"{stem}_iter_*.caffemodel"), key=lambda path: int(path.stem.rpartition("_")[2]))


def test_training_learned_and_left_its_run(mine: Path) -> None:
    summary = json.loads((mine / "test" / "summary.json").read_text())
    assert summary["samples"] == 6
    assert summary["accuracy"] > 0.8
    run = mine / "solver_run_001"
    assert {path.name for path in run.iterdir()} >= {"train.log", "metrics.csv", "curves.png", "run.json"}
    assert (mine / "test" / "confusion.png").is_file()
    with (mine / "test" / "classes.csv").open() as file:
        assert [row["class"] for row in csv.DictReader(file)] == list(CLASSES)


def test_other_pictures_are_tested_by_their_folders(mine: Path) -> None:
    ran = good("test", "--model", mine / "train_val.prototxt", "--weights", newest(mine), "--data", "photos")
    assert "of 18; 95 % interval" in ran.out
    for kind in CLASSES:
        assert re.search(rf"^{kind} +6 ", ran.out, re.MULTILINE)


def test_the_last_command_classifies_by_name(mine: Path, road: tuple[Path, list[list[str]]]) -> None:
    *words, photo = road[1][-1]
    assert photo == "photo.jpg"
    drawn("disc", 2).save(photo, quality=95)
    lines = good(*words, photo).out.splitlines()
    assert re.fullmatch(r"photo.jpg +disc +\d+\.\d\d%", lines[0])
    assert len(lines) == 3


def test_answers_as_files(mine: Path) -> None:
    model = mine / "model.onnx"
    assert "wrote" in good("classify", model, "photos", "-o", "answers.csv").out
    with Path("answers.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["rank"] == "1"]
    assert len(rows) == 18
    right = sum(Path(row["picture"]).parent.name == row["label"] for row in rows)
    assert right >= 16
    good("classify", model, "photos/disc/0.png", "photos/square", "--top", "1", "-o", "answers.json")
    answers = json.loads(Path("answers.json").read_text())
    assert [len(one["classes"]) for one in answers] == [1] * 7
    assert {row["picture"]: row["label"] for row in rows}["photos/disc/0.png"] == answers[0]["classes"][0]["label"]
    good("classify", model, "photos", "-o", "answers.png")
    with Image.open("answers.png") as sheet:
        assert min(sheet.size) > 100


def test_resuming_gives_the_same_weights(mine: Path) -> None:
    last = newest(mine)
    state = last.with_suffix(".solverstate")
    unbroken = formats.read(last).layers
    iteration = int(last.stem.rpartition("_")[2])
    last.unlink()
    state.unlink()
    ran = good("train", "-solver", mine / "solver.prototxt", "--resume")
    assert 0 < int(re.findall(r"resumed from .* at iteration (\d+)", ran.err)[0]) < iteration
    assert newest(mine) == last
    again = formats.read(last).layers
    for name, blobs in unbroken.items():
        for one, other in zip(blobs, again[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_growing_goes_on_from_it(mine: Path) -> None:
    good("grow", mine / "train_val.prototxt", "--widen", "ip1:16", "-o", mine / "grown.prototxt",
         "--solver", mine / "solver.prototxt", "-q")  # fmt: skip
    ran = good("train", "-solver", mine / "grown_solver.prototxt", "-weights", newest(mine))
    assert "ip1_new" in ran.err
    weights = newest(mine, "grown_solver")
    ran = good("test", "--model", mine / "grown.prototxt", "--weights", weights, "--data", "photos")
    assert float(re.findall(r"^accuracy (\S+)%", ran.out, re.MULTILINE)[0]) > 50


def test_time(mine: Path) -> None:
    ran = good("time", "-model", mine / "deploy.prototxt", "-iterations", "2")
    assert "Average Forward-Backward: " in ran.out + ran.err
    assert "conv1\tforward: " in ran.out + ran.err


@pytest.mark.slow
def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # One thread: two that wait for each other on a busy machine take many times as long.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "caffelungo", "demo", "-o", "demo"], env=environment, check=True)
    results = json.loads(Path("demo/results.json").read_text())
    arms = {arm["arm"]: arm for arm in results["arms"]}
    assert list(arms) == ["a", "b", "c", "d"]
    tested = len(list((resources.folder("examples") / "animals" / "test").rglob("*.png")))
    for arm in arms.values():
        assert arm["samples"] == tested
        assert arm["low"] < arm["accuracy"] < arm["high"]
    for letter in "abc":
        assert arms[letter]["low"] > arms["d"]["high"]
    # The choice is by the pictures set aside.
    losses = {letter: arm["validation_loss"] for letter, arm in arms.items()}
    assert losses[results["chosen"]] == min(losses.values())
    for one in results["differences"]:
        gain = 100 * (arms[one["of"]]["accuracy"] - arms[one["less"]]["accuracy"])
        assert one["points"] == pytest.approx(gain, abs=1e-3)
        assert one["low"] <= one["points"] <= one["high"]
    for name in ("curves.png", "answers.png", "animals.onnx"):
        assert (Path("demo") / name).stat().st_size > 10_000
    ran = lungo("demo", "-o", "demo")
    assert ran.status == 2
    assert "--overwrite" in ran.err
