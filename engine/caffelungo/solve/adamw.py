"""AdamW: Adam whose weight decay acts on the weights alone (Loshchilov and Hutter 2019, algorithm 2).

Registered as any other package would register a rule: through the entry point group ``caffelungo.solvers``.
"""

from __future__ import annotations

import torch

from caffelungo.solve.updates import Adam, Freezer, Group


class AdamW(Adam):
    """W -= r decay W, then Adam's step for the gradient without decay."""

    folds_decay = False

    def update(self, group: Group, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        if decay:
            torch._foreach_mul_(group.params, keep(1 - rate * decay))
        super().update(group, rate, decay, iteration, keep)
