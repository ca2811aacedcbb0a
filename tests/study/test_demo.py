"""The demo's folder, its solver files, and what it says of its numbers. (The demo itself: tests/e2e/test_road.py.)"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from caffelungo import catalogue
from caffelungo.cli.main import call
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.errors import RunError, UserError
from caffelungo.passes.base import run, step
from caffelungo.passes.branch import UnitOptions
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.study.demo import ITERATIONS, MADE, Arm, Demo, clear, verdict, write_solver


def arm(letter: str, low: float, high: float) -> Arm:
    made = Arm(letter, "", Path(), Path(), 0.1, 1.0, [])
    made.result = {"accuracy": (low + high) / 2, "low": low, "high": high}
    return made


def test_an_older_demo_is_replaced_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    clear(out, overwrite=False)
    for name in MADE:
        (out / name).mkdir(parents=True)
    with pytest.raises(UserError, match="--overwrite"):
        clear(out, overwrite=False)
    assert len(list(out.iterdir())) == len(MADE)
    clear(out, overwrite=True)
    assert not out.exists()


def test_other_things_are_never_removed(tmp_path: Path) -> None:
    (tmp_path / "frozen").mkdir()
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError) as caught:
        clear(tmp_path, overwrite=True)
    assert caught.value.problems[0].received == "thesis.tex"
    assert (tmp_path / "frozen").is_dir()
    with pytest.raises(UserError):
        clear(tmp_path / "thesis.tex", overwrite=True)
    assert (tmp_path / "thesis.tex").is_file()


def test_a_solver_is_cut_to_the_demos_iterations_and_keeps_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text(
        '# mine\nnet: "n"\nbase_lr: 1  # high\nlr_policy: "multistep"\nstepvalue: 7\nstepvalue: 9\nmax_iter: 10\n'
    )
    written = write_solver(tmp_path / "grown.prototxt", 2, 0.25)
    assert written.name == "grown_rate2.prototxt"
    message = read_solver(written).message
    assert (message.net, message.max_iter, message.base_lr) == ("grown.prototxt", ITERATIONS, 0.25)
    assert message.snapshot == ITERATIONS
    assert list(message.stepvalue) == [2 * ITERATIONS // 3, 9 * ITERATIONS // 10]
    assert "# mine\n" in written.read_text()
    assert "base_lr: 0.25  # high" in written.read_text()


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ([("a", 0.6, 0.7), ("b", 0.5, 0.8), ("c", 0.7, 0.9), ("d", 0.3, 0.55)],
         "Above (d)'s interval: (a), (c). Growth: +15.0% over fine-tuning, within the intervals."),
        ([("a", 0.1, 0.2), ("b", 0.1, 0.2), ("c", 0.3, 0.4), ("d", 0.3, 0.5)],
         "None is clearly above (d). Growth: +20.0% over fine-tuning, beyond the intervals."),
        ([("a", 0.1, 0.2), ("b", 0.6, 0.8), ("c", 0.5, 0.7), ("d", 0.1, 0.3)],
         "Above (d)'s interval: (b), (c). Growth: -10.0% over fine-tuning, within the intervals."),
    ],
)  # fmt: skip
def test_the_verdict_is_what_the_intervals_say(arms: list[tuple[str, float, float]], said: str) -> None:
    assert verdict([arm(*one) for one in arms]) == said


def test_an_interrupted_training_ends_the_demo(tmp_path: Path) -> None:
    def run(words: Sequence[str]) -> int:
        return 143 if "terminated" in words else 0

    steps = Demo(tmp_path, run, Console(quiet=True))
    (tmp_path / "solver.prototxt").write_text('lr_policy: "multistep" stepvalue: 1 stepvalue: 2')
    with pytest.raises(KeyboardInterrupt):
        steps.fit("a", "", tmp_path / "net.prototxt", [0.1], None)
    with pytest.raises(RunError, match="status 143"):
        steps.lungo("train", "terminated")


def test_the_grown_way_is_the_recipes_and_stands_beside_the_last_fire_module(tmp_path: Path) -> None:
    found = catalogue.find("squeezenet1.1")
    before = read_net(found.train_val, dict(found.variables))
    (tmp_path / "train_val.prototxt").write_text(before.text)
    lines: list[Sequence[str]] = []

    def run_line(words: Sequence[str]) -> int:
        lines.append(words)
        return call(list(words))

    grown = read_net(Demo(tmp_path, run_line, Console(quiet=True)).grow(tmp_path))
    assert lines[0][2:6] == ["--recipe", "wider", "--set", "units=256"]
    named = run(before, [step(widen, WidenOptions("fire9/concat", UnitOptions(256)))]).definition
    assert grown.message == named.message
