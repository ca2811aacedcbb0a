"""An iteration that a signal ends between its sub-batches is taken back, as if it had not begun.

So a stop need not wait for an iter_size of thousands, and what is written then is the state after the last whole
iteration, from which a resumed run computes what an undisturbed one would. Weights and histories change at the end of
an iteration only; what has to be taken back are gradients, the position in the data, and statistics that forward passes
move (BatchNorm).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from caffelungo.solve.solver import Solver


class Rollback:
    """What an iteration of ``solver`` changes before its end, as it is now."""

    def __init__(self, solver: Solver) -> None:
        self.solver, self.batches = solver, solver.batches
        self.statistics = {
            key: solver.store.tensors[key].detach().clone()
            for key, use in solver.plan.params.items()
            if not use.spec.learned
        }

    @torch.no_grad()
    def restore(self) -> None:
        """Take back what the iteration has done so far."""
        self.solver.batches = self.batches
        for key, values in self.statistics.items():
            self.solver.store.tensors[key].copy_(values)
        for param in self.solver.learned:
            param.grad = None
