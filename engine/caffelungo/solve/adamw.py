"""AdamW: Adam whose weight decay acts on the weights alone (Loshchilov and Hutter 2019, algorithm 2).

Registered as any other package would register a rule: through the entry point group ``caffelungo.solvers``.
"""

from __future__ import annotations

import torch

from caffelungo.solve.lr_mult import Freezer, ParamGroup
from caffelungo.solve.update_rules import Adam


class AdamW(Adam):
    """W -= r decay W (L2-SP: the distance from the start in W's place), then Adam's step without decay."""

    folds_decay = False

    def update(self, group: ParamGroup, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        if decay and group.start:
            drift = group.drift()
            torch._foreach_mul_(drift, keep.live(rate * decay))
            torch._foreach_sub_(group.params, drift)
        elif decay:
            torch._foreach_mul_(group.params, keep(1 - rate * decay))
        super().update(group, rate, decay, iteration, keep)
