"""A stop between two sub-batches takes the iteration back: what is written is exact, and a huge iter_size ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from caffelungo.solve import loop
from caffelungo.solve.action import Action
from caffelungo.solve.solver import Solver
from tests.solve import helpers

NORMALIZED = helpers.NET.replace(
    'layer { name: "relu"',
    'layer { name: "norm" type: "BatchNorm" bottom: "ip1" top: "ip1" }\n'
    'layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" }\nlayer { name: "relu"',
)


def blobs(solver: Solver) -> list[np.ndarray]:
    return [array for layer in solver.training.weights().layers.values() for array in layer]


def asking(answers: dict[int, Action]) -> Callable[[], Action]:
    """A ``poll`` whose n-th call gives ``answers[n]``."""
    calls = iter(range(10**9))
    return lambda: answers.get(next(calls), Action.NONE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return helpers.make(tmp_path, NORMALIZED, iter_size="3", max_iter="4")


# Polls of an iteration of three sub-batches: before the second and the third, and after the iteration.
@pytest.mark.parametrize("poll", [3, 4, 6, 5])
@pytest.mark.parametrize("action", [Action.STOP, Action.TERMINATE])
def test_a_resumed_run_is_the_undisturbed_one(place: Path, poll: int, action: Action) -> None:
    straight = helpers.solver()
    loop.solve(straight)
    for old in Path("out").iterdir():
        old.unlink()
    stopped = helpers.solver()
    stopped.observe(helpers.Asking(asking({poll: action})))
    assert loop.solve(stopped) is (loop.RunEnding.STOPPED if action is Action.STOP else loop.RunEnding.TERMINATED)
    done = poll // 3 + (poll % 3 == 2)
    assert (stopped.iteration, stopped.training.batches) == (done, 3 * done)
    assert all(param.grad is None for param in stopped.training.learned)
    resumed = helpers.solver()
    assert resumed.restore(f"out/s_iter_{done}.solverstate") == []
    loop.solve(resumed)
    for ours, theirs in zip(blobs(resumed), blobs(straight), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_same_solver_goes_on_exactly(place: Path) -> None:
    straight = helpers.solver()
    straight.step(3)
    stopped = helpers.solver()
    stopped.observe(helpers.Asking(asking({4: Action.STOP})))
    stopped.step(3)
    assert (stopped.iteration, stopped.stop_asked) == (1, Action.STOP)
    stopped.stop_asked = Action.NONE
    stopped.step(2)
    for ours, theirs in zip(blobs(stopped), blobs(straight), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_snapshot_waits_for_the_end_of_the_iteration(place: Path) -> None:
    solver = helpers.solver()
    solver.observe(helpers.Asking(asking({3: Action.SNAPSHOT})))
    solver.step(4)
    assert [path.name for path in sorted(Path("out").glob("*.solverstate"))] == ["s_iter_2.solverstate"]


def test_a_snapshot_asked_before_a_stop_is_written(place: Path) -> None:
    solver = helpers.solver()
    solver.observe(helpers.Asking(asking({3: Action.SNAPSHOT, 5: Action.STOP})))
    solver.step(4)
    assert solver.iteration == 1
    assert [path.name for path in Path("out").glob("*.solverstate")] == ["s_iter_1.solverstate"]


def test_an_endless_iteration_ends(place: Path) -> None:
    """2^31 - 1 sub-batches would take months."""
    helpers.make(place, NORMALIZED, iter_size=str(2**31 - 1), max_iter=str(2**31 - 1))
    solver = helpers.solver()
    solver.observe(helpers.Asking(asking({5: Action.TERMINATE})))
    assert loop.solve(solver) is loop.RunEnding.TERMINATED
    assert (solver.iteration, solver.training.batches) == (0, 0)
    assert Path("out/s_iter_0.solverstate").exists()
