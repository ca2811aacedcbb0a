"""What observers see of a run, in which order, and what they may ask of it."""

from __future__ import annotations

import gc
import inspect
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caffelungo.errors import UserError
from caffelungo.net.graph import GraphNet
from caffelungo.report import metrics_csv
from caffelungo.solve import loop, run_training, snapshot
from caffelungo.solve.action import Action
from caffelungo.solve.early_stop import EarlyStop
from caffelungo.solve.observer import ObservedRun, Observer, Observers
from caffelungo.solve.snapshot import Snapshot
from caffelungo.solve.test_result import Score, TestResult
from caffelungo.solve.watched_output import Watch
from caffelungo.weights import formats
from tests.solve import helpers

METHODS = [name for name in vars(Observer) if not name.startswith("_")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Recorder(Observer):
    """Every call, as (method, first argument)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.shown: dict[int, tuple[float, float, dict[str, float]]] = {}
        self.results: list[tuple[int, int, TestResult]] = []
        self.best: list[tuple[int, float]] = []

    def on_attach(self, run: ObservedRun) -> None:
        self.calls.append(("attach", run.training.iteration))

    def on_iteration(self, iteration: int) -> None:
        self.calls.append(("iteration", iteration))

    def on_loss(self, iteration: int, loss: float) -> None:
        self.calls.append(("loss", iteration))

    def on_display(self, iteration: int, loss: float, rate: float, outputs: Mapping[str, float]) -> None:
        self.calls.append(("display", iteration))
        self.shown[iteration] = (loss, rate, dict(outputs))

    def on_test_batch(self, done: int, count: int) -> None:
        self.calls.append(("test_batch", (done, count)))

    def on_test(self, iteration: int, net: int, result: TestResult) -> None:
        self.calls.append(("test", iteration))
        self.results.append((iteration, net, result))

    def on_best(self, iteration: int, value: float) -> None:
        self.calls.append(("best", iteration))
        self.best.append((iteration, value))

    def on_tests(self, iteration: int) -> None:
        self.calls.append(("tests", iteration))

    def on_snapshot(self, snapshot: Snapshot) -> None:
        self.calls.append(("snapshot", snapshot.iteration))


def test_everything_is_seen_in_its_order(here: Path) -> None:
    helpers.make(here, max_iter="4", display="2", test_interval="2", snapshot="3")
    seen = Recorder()
    assert loop.solve(helpers.solver(observers=[seen])) is loop.RunEnding.DONE
    batches = [("test_batch", (done, 3)) for done in range(3)]  # 10 samples in batches of 4
    without_best = [call for call in seen.calls if call[0] != "best"]
    assert without_best == [
        ("attach", 0),
        *batches, ("test", 0), ("tests", 0),
        ("loss", 0), ("display", 0), ("iteration", 1), ("iteration", 2), ("loss", 1),
        *batches, ("test", 2), ("tests", 2),
        ("loss", 2), ("display", 2), ("iteration", 3), ("snapshot", 3), ("iteration", 4), ("loss", 3), ("snapshot", 4),
        *batches, ("test", 4), ("tests", 4),
    ]  # fmt: skip
    for iteration, _ in seen.best:
        assert seen.calls[seen.calls.index(("best", iteration)) - 1] == ("test", iteration)


def test_the_numbers_are_those_of_the_run_s_files(here: Path) -> None:
    helpers.make(here, display="4", test_interval="5", gamma="0.5", lr_policy='"step"', extra="stepsize: 8")
    seen, losses = Recorder(), helpers.Losses()
    assert run_training.train(helpers.options(), [seen, losses]) == 0
    points: dict[tuple[str, str], dict[int, float]] = {}
    for point, _ in metrics_csv.read(here / "out/s_run_001/metrics.csv"):
        points.setdefault((point.phase, point.name), {})[point.iteration] = point.value
    assert {i: loss for i, (loss, _, _) in seen.shown.items()} == pytest.approx(points["train", "loss"], rel=1e-5)
    assert {i: rate for i, (_, rate, _) in seen.shown.items()} == pytest.approx(
        {0: 0.1, 4: 0.1, 8: 0.05, 12: 0.05, 16: 0.025}
    )
    assert seen.shown[8][2]["loss"] == losses.seen[8] == seen.shown[8][0], "average_loss is 1"
    assert list(losses.seen) == list(range(20))
    tested = {iteration: result.values()["accuracy"] for iteration, net, result in seen.results if net == 0}
    assert tested == pytest.approx(points["test", "accuracy"], rel=1e-5)
    best, expected = -1.0, []
    for iteration, value in tested.items():
        if value > best:
            best = value
            expected.append((iteration, value))
    assert seen.best == expected


def test_observers_pass_every_call_on() -> None:
    result = TestResult(1.5, [Score("loss", 1.5, 1.0)], 10)
    given: dict[type | str, Any] = {"iteration": 3, "result": result, "outputs": {"loss": 1.0}}
    for name in METHODS:
        heard: list[tuple[int, tuple[Any, ...]]] = []

        def answer(self: Observer, *values: Any, heard: list[Any] = heard) -> Action:
            heard.append((self.number, values))  # type: ignore[attr-defined]
            return Action.NONE

        made = type("Made", (Observer,), {name: answer})
        pair = [made(), made()]
        for number, one in enumerate(pair):
            one.number = number
        wanted = list(inspect.signature(getattr(Observer, name)).parameters)[1:]
        values = tuple(given.get(parameter, parameter) for parameter in wanted)
        getattr(Observers(pair), name)(*values)
        assert heard == [(0, values), (1, values)], name


def test_the_base_asks_for_nothing_and_takes_everything() -> None:
    for name in METHODS:
        count = len(inspect.signature(getattr(Observer, name)).parameters) - 1
        assert getattr(Observer(), name)(*range(count)) is (Action.NONE if name == "poll" else None)


def test_the_first_action_asked_for_is_taken() -> None:
    asked: list[str] = []

    def asking(name: str, action: Action) -> Observer:
        return helpers.Asking(lambda: asked.append(name) or action)  # type: ignore[func-returns-value]

    both = Observers([asking("a", Action.NONE), asking("b", Action.SNAPSHOT), asking("c", Action.STOP)])
    assert both.poll() is Action.SNAPSHOT
    assert asked == ["a", "b"], "what the third asks for is asked for later, not lost"


class Stopping(Observer):
    """Stops the run when ``method`` is called with ``at``."""

    def __init__(self, method: str, at: int) -> None:
        self.at = at
        setattr(self, method, self._called)

    def on_attach(self, run: ObservedRun) -> None:
        self.run = run

    def _called(self, at: int, *rest: object) -> None:
        if at == self.at:
            self.run.stop()


@pytest.mark.parametrize(("method", "at", "end"), [("on_iteration", 3, 3), ("on_test", 4, 4), ("on_tests", 4, 4),
                                                   ("on_loss", 1, 3), ("on_display", 4, 5)])  # fmt: skip
def test_an_observer_ends_the_run(here: Path, method: str, at: int, end: int) -> None:
    """A loss comes with the next display, so the run goes on until there."""
    helpers.make(here, display="2", test_interval="4")
    assert run_training.train(helpers.options(), [Stopping(method, at)]) == 0
    assert [one.iteration for one in snapshot.listed(Path("out/s"))] == [end]


class Answering(Observer):
    """Answers ``answer`` whenever it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def poll(self) -> Any:
        return self.answer


@pytest.mark.parametrize(("answer", "end"), [(None, 6), (False, 6), (Action.SNAPSHOT, 6), (True, 0), (Action.STOP, 0)])
def test_an_observer_that_always_answers_alike(here: Path, answer: Any, end: int) -> None:
    """A stop between sub-batches takes the iteration back."""
    helpers.make(here, max_iter="6", iter_size="2", test_interval="4", extra="test_initialization: false")
    assert run_training.train(helpers.options(), [Answering(answer)]) == 0
    assert snapshot.listed(Path("out/s"))[-1].iteration == end


@pytest.mark.parametrize("answer", [3, "stop", 1])
def test_an_answer_that_means_nothing_is_named(here: Path, answer: Any) -> None:
    helpers.make(here)
    with pytest.raises(UserError, match="`poll` of Answering"):
        run_training.train(helpers.options(), [Answering(answer)])


def test_an_error_of_an_observer_ends_the_run(here: Path) -> None:
    class Broken(Observer):
        def on_iteration(self, iteration: int) -> None:
            if iteration == 3:
                raise KeyError("mine")

    helpers.make(here, snapshot="2")
    with pytest.raises(KeyError, match="mine"):
        run_training.train(helpers.options(), [Broken()])
    assert [one.iteration for one in snapshot.listed(Path("out/s"))] == [2]
    assert (here / "out/s_run_001/metrics.csv").exists()


def test_what_a_run_left(here: Path) -> None:
    helpers.make(here, test_interval="5", snapshot="8", extra="lungo { keep_best: true }")
    left = run_training.run_training(helpers.options())
    assert (left.exit_status, left.training.iteration) == (0, 20)
    assert left.snapshot is not None
    assert left.snapshot.iteration == 20
    assert left.folder is not None
    assert (left.folder / "train.log").exists()
    written = formats.read(left.snapshot.weights).layers
    for layer, blobs in left.training.weights().layers.items():
        for ours, theirs in zip(blobs, written[layer], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert left.best == Path("out/s_best.caffemodel")


def test_a_run_without_snapshots_or_tests_left_none(here: Path) -> None:
    helpers.make(here, max_iter="3", snapshot_after_train="false")
    left = run_training.run_training(helpers.options())
    assert (left.snapshot, left.best) == (None, None)


def test_a_smaller_batch_attaches_callbacks_again_and_frees_what_did_not_fit(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers.make(here, helpers.NET.replace("batch_size: 4", "batch_size: 12"), display="1")
    real = GraphNet.look

    def look(self: GraphNet, *tensors: torch.Tensor) -> Any:
        if len(tensors[0]) > 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(self, *tensors)

    monkeypatch.setattr(GraphNet, "look", look)
    alive: list[list[bool]] = []

    class Remembering(Observer):
        def __init__(self) -> None:
            self.runs: list[weakref.ref[Any]] = []

        def on_attach(self, run: ObservedRun) -> None:
            gc.collect()
            alive.append([one() is not None for one in self.runs])
            self.runs.append(weakref.ref(run.training))

    assert run_training.train(helpers.options(fit_batch=True), [Remembering()]) == 0
    assert alive == [[], [False]]


def test_early_stop_counts_tests_without_a_best_one() -> None:
    stops: list[int] = []

    class Run:
        training: Any = None

        def stop(self) -> None:
            stops.append(watch.since)

    said: list[str] = []
    watch = Watch("accuracy", higher_is_better=True)
    for patience, expected in ((0, []), (2, [2])):
        watch.best, watch.since, watch.iteration = 0.5, 0, 10
        stop = EarlyStop(watch, patience, said.append)
        stop.on_attach(Run())
        for watch.since in range(3):
            if not stops:
                stop.on_tests(10 + watch.since)
        assert stops == expected
    assert said == ["stopping early: accuracy has not improved in 2 tests; best 0.5 at iteration 10"]
