"""Applies lr_mult and decay_mult: parameters in groups of equal multipliers, each updated by the solver's rule.

Caffe: SGDSolver::ApplyUpdate, Normalize and Regularize. The rate of a group is that of the iteration times its lr_mult,
its decay the solver's weight_decay times its decay_mult. A flag on the device freezes an update without the host
waiting for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class ParamGroup:
    """Parameters with one lr_mult and one decay_mult. ``history[k]`` are the k-th histories, one for each parameter.

    ``start``: where each parameter started, if it is pulled there (L2-SP); empty: weight decay pulls it towards 0.
    """

    lr_mult: float
    decay_mult: float
    params: list[Tensor] = field(default_factory=list)
    history: list[list[Tensor]] = field(default_factory=list)
    grads: list[Tensor] = field(default_factory=list)
    start: list[Tensor] = field(default_factory=list)

    def drift(self) -> list[Tensor]:
        """How far each parameter is from where decay pulls it; to be read only."""
        return list(torch._foreach_sub(self.params, self.start)) if self.start else self.params


class Update:
    """Base of the update rules; one instance serves one run.

    A rule of another package subclasses this, says how many ``histories`` it keeps for each parameter, and writes
    ``update``. An entry point of the group ``caffelungo.solvers`` registers it; its name is the solver's ``type``.
    ``params`` are (parameter, lr_mult, decay_mult) in the order of the net's learnable parameters.
    """

    histories: ClassVar[int] = 1
    folds_decay: ClassVar[bool] = True
    """Whether weight decay is part of the gradient (as in all of Caffe's rules)."""

    def __init__(self, solver: Any, params: Sequence[tuple[nn.Parameter, float, float]]) -> None:
        self.solver = solver
        self.device = params[0][0].device if params else torch.device("cpu")
        self.history: list[Tensor] = [
            torch.zeros_like(param, requires_grad=False) for _ in range(self.histories) for param, _, _ in params
        ]
        """Every history in the order of the solverstate: the first one of each parameter, then the second ones."""
        self.params = list(params)
        self.pull = 0.0
        self.groups = self._grouped([None] * len(params))

    def hold(self, starts: Sequence[Tensor | None], pull: float) -> None:
        """L2-SP: from now on ``pull`` times decay_mult draws each parameter to its ``starts`` (None: as before)."""
        self.pull = float(np.float32(pull))
        self.groups = self._grouped(starts)

    def _grouped(self, starts: Sequence[Tensor | None]) -> list[ParamGroup]:
        groups: dict[tuple[float, float, bool], ParamGroup] = {}
        for index, ((param, lr_mult, decay_mult), start) in enumerate(zip(self.params, starts, strict=True)):
            group = groups.setdefault((lr_mult, decay_mult, start is not None), ParamGroup(lr_mult, decay_mult))
            group.history = group.history or [[] for _ in range(self.histories)]
            group.params.append(param)
            if start is not None:
                group.start.append(start)
            for k in range(self.histories):
                group.history[k].append(self.history[k * len(self.params) + index])
        return list(groups.values())

    @torch.no_grad()
    def apply(self, rate: float, iteration: int, scale: float | Tensor, frozen: Tensor) -> None:
        """One update of every parameter from its ``grad`` (a missing one counts as zero), which is used up.

        ``scale`` multiplies the gradients first (clipping, 1/iter_size). Where ``frozen`` (float32 scalar on the
        device) is 1, neither parameters nor histories change.
        """
        for group in self.groups:
            if self.idle(group):
                continue
            group.grads = [_gradient(param) for param in group.params]
            strength = self.pull if group.start else self.solver.weight_decay
            decay = float(np.float32(strength) * np.float32(group.decay_mult))
            self.step(group, float(np.float32(rate) * np.float32(group.lr_mult)), decay, iteration, scale, frozen)
            group.grads = []

    def idle(self, group: ParamGroup) -> bool:
        """Whether a group can be left out: its rate is 0, and no decay moves its history."""
        settled = bool(group.start) or self.solver.weight_decay == 0 or group.decay_mult == 0
        return group.lr_mult == 0 and settled

    def step(
        self, group: ParamGroup, rate: float, decay: float, iteration: int, scale: float | Tensor, frozen: Tensor
    ) -> None:
        """Scale and regularize the group's gradients in place, then ``update``; nothing where ``frozen``."""
        if self.device.type == "cpu" and frozen:
            return
        if not isinstance(scale, float) or scale != 1:
            torch._foreach_mul_(group.grads, scale)
        if self.folds_decay:
            self.regularize(group, decay)
        if self.device.type != "cpu":
            for grad in group.grads:
                grad.masked_fill_(frozen > 0, 0)
        self.update(group, rate, decay, iteration, Freezer(frozen, self.device.type == "cpu"))

    def regularize(self, group: ParamGroup, decay: float) -> None:
        """Add the gradient of the L2 or L1 norm, or of the L2 distance from the start."""
        if decay and self.solver.regularization_type == "L1" and not group.start:
            torch._foreach_add_(group.grads, torch._foreach_sign(group.params), alpha=decay)
        elif decay:
            torch._foreach_add_(group.grads, group.drift(), alpha=decay)

    def update(self, group: ParamGroup, rate: float, decay: float, iteration: int, keep: Freezer) -> None:
        """Change ``group.params`` and ``group.history`` for ``group.grads`` (which may be overwritten).

        When the run is frozen the gradients are 0; multiply what a history keeps by ``keep(factor)`` and what is taken
        from the parameters by ``keep.live(rate)``, which then are 1 and 0.
        """
        raise NotImplementedError


class Freezer:
    """Factors that leave everything as it is when the run is frozen, without asking the device."""

    def __init__(self, frozen: Tensor, known_live: bool) -> None:
        self.frozen, self.known_live = frozen, known_live

    def __call__(self, factor: float) -> Any:
        """``factor``, or 1 when frozen."""
        if self.known_live:
            return factor
        return torch.where(self.frozen > 0, 1.0, factor)

    def live(self, factor: float) -> Any:
        """``factor``, or 0 when frozen."""
        if self.known_live:
            return factor
        return torch.where(self.frozen > 0, 0.0, factor)


def _gradient(param: Tensor) -> Tensor:
    grad = param.grad
    if grad is None:
        return torch.zeros_like(param, requires_grad=False)
    if grad.stride() != param.stride():
        return torch.empty_like(param, requires_grad=False).copy_(grad)
    return grad
