"""The demo's folder, its commands, and how it takes their results. (The demo itself: tests/e2e/test_road.py.)"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from caffelungo.cli.main import call
from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net
from caffelungo.errors import RunError
from caffelungo.passes.base import run, step
from caffelungo.passes.join import JoinedOptions, Read, joined
from caffelungo.passes.view import View
from caffelungo.report.metrics_csv import MetricsFile
from caffelungo.study.demo.demo import UNITS, Demo, right_answers

SOLVER = (
    'net: "train_val.prototxt" weights: "start.caffemodel" max_iter: 30 test_interval: 10\n'
    'lungo { keep_best: true early_stop: 12 watch: "loss" }\n'
)


class Faked:
    """Takes the demo's commands in the place of `lungo`: keeps their words, and leaves what they would leave.

    ``losses`` are those of a training's tests, ten iterations apart; verbs in ``real`` are run all the same.
    """

    def __init__(self, losses: Sequence[float] = (0.9, 0.5, 0.7, 0.6), real: Sequence[str] = ()) -> None:
        self.losses, self.real = losses, real
        self.lines: list[list[str]] = []

    def __call__(self, words: Sequence[str]) -> int:
        self.lines.append(list(words))
        if words[0] in self.real:
            return call(list(words))
        out = Path(words[words.index("-o") + 1]) if "-o" in words else Path()
        if words[0] == "grow":
            out.with_name(f"{out.stem}_solver.prototxt").write_text(SOLVER)
            return 0
        out.mkdir(parents=True, exist_ok=True)
        if words[0] == "finetune":
            (out / "solver.prototxt").write_text(SOLVER)
            (out / "train.txt").write_text("bear/1.png 0\ncat/2.png 1\n")
        elif words[0] == "probe":
            chosen = {"layers": "fire5/concat", "blobs": ["fire5/concat"]}
            (out / "probe.json").write_text(json.dumps({"chosen": chosen}))
        elif words[0] == "train":
            self.train(Path(words[words.index("--solver") + 1]))
        return 0

    def train(self, solver: Path) -> None:
        folder = solver.with_name(f"{solver.stem}_run_001")
        folder.mkdir()
        log = MetricsFile()
        log.open(folder / "metrics.csv")
        for number, loss in enumerate(self.losses):
            log.add(10 * number, 0.0, "test", {"accuracy": 1 - loss / 2, "loss": loss})
        solver.with_name(f"{solver.stem}_best.caffemodel").touch()


def quiet() -> Console:
    return Console(quiet=True)


def test_what_is_printed_is_what_runs(tmp_path: Path) -> None:
    text, faked = StringIO(), Faked()
    steps = Demo(tmp_path / "my demo", faked, Console(file=text, width=40))
    steps.finetuned("fire5/concat")
    steps.scratch()
    printed = [shlex.split(line[2:])[1:] for line in text.getvalue().splitlines() if line.startswith("$ lungo")]
    assert printed == faked.lines
    assert len(printed) == 6


def test_fine_tuning_starts_from_the_layer_that_the_probe_chose_and_ends_with_its_own_refit(tmp_path: Path) -> None:
    faked = Faked()
    arm = Demo(tmp_path, faked, quiet()).finetuned("fire5/concat")
    prepared, trained, refitted = faked.lines
    assert prepared[prepared.index("--layers") + 1] == "fire5/concat"
    assert "--weights" not in trained
    assert refitted[refitted.index("--weights") + 1] == str(tmp_path / "finetuned" / "solver_best.caffemodel")
    assert "--early-stop" not in trained
    # As run.sh has it: the net's own pictures, and those set aside choose.
    assert refitted[refitted.index("--layers") + 1] == "head"
    assert not {"--data", "--penalty"} & set(refitted)
    assert arm.weights == tmp_path / "finetuned" / "final" / "probe.caffemodel"
    assert arm.validation == (0.75, 0.5)
    before = arm.before()
    assert (before.at, before.best) == (0, (pytest.approx(0.55), 0.9))


def test_the_grown_way_never_fits_a_start_to_the_pictures_set_aside(tmp_path: Path) -> None:
    """Its list has whole paths, so that it can be read from anywhere, and names the pictures of train.txt alone."""
    faked = Faked()
    steps = Demo(tmp_path, faked, quiet())
    steps.finetuned("fire5/concat")
    del faked.lines[:]
    steps.grown("fire5/concat")
    grow, probe, train, refit = faked.lines
    assert grow[2:4] == ["--widen", f"fire5/concat:{UNITS}"]
    listed = Path(probe[probe.index("--data") + 1])
    assert listed.read_text() == f"{steps.train}/bear/1.png 0\n{steps.train}/cat/2.png 1\n"
    assert train[train.index("--weights") + 1] == str(tmp_path / "grown" / "start" / "probe.caffemodel")
    assert refit[1] == str(tmp_path / "finetuned" / "grown.prototxt")
    assert not {"--data", "--penalty"} & set(refit)


def test_new_units_grow_beside_the_layer_that_the_classifier_reads(tmp_path: Path) -> None:
    found = catalogue.find("squeezenet1.1")
    net = read_net(found.train_val, dict(found.variables))
    started = run(net, [step(joined, JoinedOptions((Read("fire5/concat"),), suffix="joined"))]).definition
    faked = Faked(real=["grow"])
    steps = Demo(tmp_path, faked, quiet())
    steps.finetuned("fire5/concat")
    (tmp_path / "finetuned" / "train_val.prototxt").write_text(started.text)
    steps.grown("fire5/concat")
    assert (tmp_path / "finetuned" / "grown_solver.prototxt").is_file()
    grown = View(read_net(tmp_path / "finetuned" / "grown.prototxt"))
    (head,) = grown.heads()
    assert head.head.params[0].shape == (1000, 2 * (256 + UNITS))


@pytest.mark.parametrize("losses", [(0.9, 0.8), (0.5, 0.8)])
def test_an_interrupted_training_ends_the_demo(tmp_path: Path, losses: Sequence[float]) -> None:
    """Stopped by Ctrl-C after 10 of 30 iterations; status 0, as in Caffe."""
    with pytest.raises(KeyboardInterrupt):
        Demo(tmp_path, Faked(losses), quiet()).finetuned("all")


def test_a_training_that_stopped_early_goes_on_in_the_demo(tmp_path: Path) -> None:
    """After 20 of 100 iterations, two tests without a better one, which is what its solver allows."""

    class Patient(Faked):
        def train(self, solver: Path) -> None:
            solver.write_text(
                SOLVER.replace("max_iter: 30", "max_iter: 100").replace("early_stop: 12", "early_stop: 2")
            )
            super().train(solver)

    arm = Demo(tmp_path, Patient((0.5, 0.8, 0.7)), quiet()).finetuned("all")
    assert arm.validation == (0.75, 0.5)
    with pytest.raises(KeyboardInterrupt):
        Demo(tmp_path / "other", Patient((0.5, 0.8)), quiet()).finetuned("all")


def test_a_command_that_fails_ends_the_demo(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="status 143"):
        Demo(tmp_path, lambda words: 143, quiet()).lungo("train")


def test_right_answers_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text('picture,class,answer\na.png,cat,cat\nb.png,cat,dog\n"c,d.png",dog,dog\n')
    np.testing.assert_array_equal(right_answers(path), [1, 0, 1])
