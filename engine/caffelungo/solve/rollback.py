"""An iteration that a signal ends between its sub-batches is taken back, as if it had not begun.

So a stop need not wait for an iter_size of thousands, and what is written then is the state after the last whole
iteration, from which a resumed run computes what an undisturbed one would. Weights and histories change at the end of
an iteration only; what has to be taken back are gradients, the position in the data, and statistics that forward passes
move (BatchNorm).
"""

from __future__ import annotations

import torch

from caffelungo.solve.training import Training


class Rollback:
    """What an iteration of ``training`` changes before its end, as it is now."""

    def __init__(self, training: Training) -> None:
        self.training, self.batches = training, training.batches
        self.statistics = {
            key: training.store.tensors[key].detach().clone()
            for key, use in training.plan.params.items()
            if not use.spec.learned
        }

    @torch.no_grad()
    def restore(self) -> None:
        """Take back what the iteration has done so far."""
        self.training.batches = self.batches
        for key, values in self.statistics.items():
            self.training.store.tensors[key].copy_(values)
        for param in self.training.learned:
            param.grad = None
