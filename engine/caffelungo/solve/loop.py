"""A whole training run in Caffe's order: iterations, the last snapshot, the extra forward pass, the last test.

Caffe: Solver::Solve.
"""

from __future__ import annotations

from enum import Enum

from caffelungo.solve.signals import Action
from caffelungo.solve.solver import Solver


class Ending(Enum):
    """How a run ended."""

    DONE = 0
    STOPPED = 1
    TERMINATED = 143


def solve(solver: Solver) -> Ending:
    """Train from where ``solver`` stands to max_iter."""
    param, log = solver.param, solver.log
    log.info("solver.cpp:289", f"Solving {solver.plan.name}")
    log.info("solver.cpp:290", f"Learning Rate Policy: {param.lr_policy}")
    solver.stop_asked = Action.NONE
    solver.step(max(0, param.max_iter - solver.iteration))
    due = param.snapshot_after_train and not (param.snapshot and solver.iteration % param.snapshot == 0)
    if (due or solver.stop_asked is Action.TERMINATE) and solver.written != solver.iteration:
        solver.snapshot()
    if solver.stop_asked is not Action.NONE:
        log.info("solver.cpp:311", "Optimization stopped early.")
        return Ending.TERMINATED if solver.stop_asked is Action.TERMINATE else Ending.STOPPED
    if param.display and solver.iteration % param.display == 0:
        solver.extra_forward()
    if solver.tests and param.test_interval and solver.iteration % param.test_interval == 0:
        solver.test_all()
    log.info("solver.cpp:332", "Optimization Done.")
    return Ending.DONE
