"""The update rules with Caffe's arithmetic: SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam.

Caffe: the ComputeUpdateValue of each solver. Histories are kept in Caffe's units and order, so that they go into a
solverstate as they are. ``lr_mult`` has their base and gives them gradients, rate and decay of each group.
"""

from __future__ import annotations

import math
from importlib.metadata import entry_points
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from caffelungo.solve.lr_mult import Freezer, ParamGroup, Update
from caffelungo.solve.validate import ENTRY_POINTS

SMALLEST = 1 / float(np.finfo(np.float32).max)
"""Rates up to this have no inverse in float32; they change no weight."""


def _subtract(group: ParamGroup, rate: Any) -> None:
    """``params -= rate * grads``."""
    torch._foreach_mul_(group.grads, rate)
    torch._foreach_sub_(group.params, group.grads)


def _decaying_mean(history: list[Tensor], share: float, new: Any, keep: Freezer) -> None:
    """``history = share * history + (1 - share) * new``; ``new`` is used up."""
    torch._foreach_mul_(history, keep(share))
    torch._foreach_add_(history, new, alpha=float(np.float32(1) - np.float32(share)))


class SGD(Update):
    """h = m h + r g; W -= h. The rate stays inside the momentum, so that it lives on when the rate falls.

    PyTorch's fused kernel does this in one pass over memory when its rate is 1, its gradients are divided by 1/r and
    its weight decay is r * decay. Other regularizers than the L2 norm are added before.
    """

    nesterov: ClassVar[bool] = False

    def idle(self, group: ParamGroup) -> bool:
        return group.lr_mult == 0

    def step(
        self, group: ParamGroup, rate: float, decay: float, iteration: int, scale: float | Tensor, frozen: Tensor
    ) -> None:
        if self.solver.momentum == 0:
            super().step(group, rate, decay, iteration, scale, frozen)
            return
        if decay and (group.start or self.solver.regularization_type == "L1"):
            torch._foreach_mul_(group.grads, scale)
            self.regularize(group, decay)
            scale, decay = 1.0, 0.0
        inverse = math.inf if rate <= SMALLEST else 1 / rate
        divisor = torch.full((), inverse, device=self.device) / scale
        torch._fused_sgd_(
            group.params, group.grads, group.history[0],
            lr=1.0, momentum=self.solver.momentum, dampening=0.0, weight_decay=rate * decay, nesterov=self.nesterov,
            maximize=False, is_first_step=False, grad_scale=divisor, found_inf=frozen,
        )  # fmt: skip

    def update(self, group: ParamGroup, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        # Without momentum the two rules are one, and the history is the last step.
        _subtract(group, keep.live(rate))
        torch._foreach_copy_(group.history[0], group.grads)


class Nesterov(SGD):
    """h' = m h + r g; W -= (1 + m) h' - m h, which is r g + m h'."""

    nesterov = True


class AdaGrad(Update):
    """h += g^2; W -= r g / (sqrt(h) + delta)."""

    def update(self, group: ParamGroup, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        torch._foreach_addcmul_(group.history[0], group.grads, group.grads)
        self.divide(group)
        _subtract(group, keep.live(rate))

    def divide(self, group: ParamGroup) -> None:
        """g /= sqrt(h) + delta."""
        root = torch._foreach_sqrt(group.history[0])
        torch._foreach_add_(root, self.solver.delta)
        torch._foreach_div_(group.grads, root)


class RMSProp(AdaGrad):
    """h = d h + (1 - d) g^2; W -= r g / (sqrt(h) + delta)."""

    def update(self, group: ParamGroup, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        squares = torch._foreach_mul(group.grads, group.grads)
        _decaying_mean(group.history[0], self.solver.rms_decay, squares, keep)
        self.divide(group)
        _subtract(group, keep.live(rate))


class AdaDelta(Update):
    """h1 = m h1 + (1 - m) g^2; u = g sqrt((h2 + delta) / (h1 + delta)); h2 = m h2 + (1 - m) u^2; W -= r u."""

    histories = 2

    def update(self, group: ParamGroup, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        momentum = self.solver.momentum
        gradients, steps = group.history
        _decaying_mean(gradients, momentum, torch._foreach_mul(group.grads, group.grads), keep)
        ratio = torch._foreach_add(steps, self.solver.delta)
        torch._foreach_div_(ratio, torch._foreach_add(gradients, self.solver.delta))
        torch._foreach_sqrt_(ratio)
        torch._foreach_mul_(group.grads, ratio)
        _decaying_mean(steps, momentum, torch._foreach_mul(group.grads, group.grads), keep)
        _subtract(group, keep.live(rate))


class Adam(Update):
    """m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; W -= r sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + delta)."""

    histories = 2

    def update(self, group: ParamGroup, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        beta1, beta2, t = self.solver.momentum, self.solver.momentum2, iteration + 1
        correction = float(np.float32(math.sqrt(1 - math.pow(beta2, t)) / (1 - math.pow(beta1, t))))
        means, squares = group.history
        _decaying_mean(means, beta1, group.grads, keep)
        _decaying_mean(squares, beta2, torch._foreach_mul(group.grads, group.grads), keep)
        root = torch._foreach_sqrt(squares)
        torch._foreach_add_(root, self.solver.delta)
        group.grads = list(torch._foreach_div(means, root))
        _subtract(group, keep.live(rate * correction))


RULES: dict[str, type[Update]] = {
    "SGD": SGD,
    "Nesterov": Nesterov,
    "AdaGrad": AdaGrad,
    "RMSProp": RMSProp,
    "AdaDelta": AdaDelta,
    "Adam": Adam,
}
"""Caffe's rules by the solver's ``type``."""


def find(name: str) -> type[Update]:
    """The rule called ``name``: Caffe's, else one from an entry point; KeyError when there is none."""
    if name in RULES:
        return RULES[name]
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return point.load()  # type: ignore[no-any-return]
    raise KeyError(name)
