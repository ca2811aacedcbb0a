"""A whole training run in Caffe's order: iterations, the last snapshot, the extra forward pass, the last test.

Caffe: Solver::Solve.
"""

from __future__ import annotations

from enum import Enum

from caffelungo.solve.action import Action
from caffelungo.solve.solver import Solver


class RunEnding(Enum):
    """How a run ended."""

    DONE = 0
    STOPPED = 1
    TERMINATED = 143


def solve(solver: Solver) -> RunEnding:
    """Train from where ``solver`` is to max_iter."""
    training, param, log = solver.training, solver.training.param, solver.training.log
    log.info("solver.cpp:289", f"Solving {training.plan.name}")
    log.info("solver.cpp:290", f"Learning Rate Policy: {param.lr_policy}")
    solver.stop_asked = Action.NONE
    solver.step(max(0, param.max_iter - training.iteration))
    due = param.snapshot_after_train and not (param.snapshot and training.iteration % param.snapshot == 0)
    if (due or solver.stop_asked is Action.TERMINATE) and training.written != training.iteration:
        solver.snapshot()
    if solver.stop_asked is not Action.NONE:
        log.info("solver.cpp:311", "Optimization stopped early.")
        return RunEnding.TERMINATED if solver.stop_asked is Action.TERMINATE else RunEnding.STOPPED
    if param.display and training.iteration % param.display == 0:
        solver.extra_forward()
    if training.tests and param.test_interval and training.iteration % param.test_interval == 0:
        solver.test_all()
    log.info("solver.cpp:332", "Optimization Done.")
    return RunEnding.DONE
