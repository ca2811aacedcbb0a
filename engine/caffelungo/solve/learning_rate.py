"""The learning rate of each iteration: a policy (see ``rate_policy``) behind a linear warm-up of our own."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.solve.rate_policy import f32, policies


class Schedule:
    """The rate of each iteration under a SolverParameter.

    ``current_step`` is what Caffe keeps in the solverstate for the step and multistep policies. ``multistep`` moves at
    most one step a call, so ``rate`` is called once an iteration, as in Caffe.
    """

    def __init__(self, solver: Any, current_step: int = 0) -> None:
        self.solver = solver
        self.current_step = current_step
        self.stepped = False
        """Whether the last call moved multistep on (Caffe logs it)."""
        self._policy = policies()[solver.lr_policy].rate

    def rate(self, iteration: int) -> float:
        """The rate for ``iteration``: a float32 value, infinite or NaN where the policy makes it so."""
        self.stepped = False
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value = self._policy(self, self.solver, iteration)
            warmup = self.solver.lungo.warmup_iter
            if iteration < warmup:
                start = self.solver.lungo.warmup_start
                value = value * f32(start + (1 - start) * iteration / warmup)
            return float(f32(value))
