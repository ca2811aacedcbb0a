"""Learning rate policies with Caffe's float32 arithmetic, and a cosine policy and linear warm-up of our own.

Caffe: SGDSolver::GetLearningRate. Its rate is a float; an integer exponent makes C++ compute in double first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, SupportsFloat

import numpy as np

f32 = np.float32


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
        self._policy = POLICIES[solver.lr_policy]

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


def _power(base: SupportsFloat, exponent: SupportsFloat) -> float:
    """C's pow: infinite where the result is too large, NaN where there is none."""
    try:
        return math.pow(float(base), float(exponent))
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if float(base) == 0 else math.nan


def _double_power(solver: Any, exponent: int) -> np.float32:
    return f32(float(f32(solver.base_lr)) * _power(f32(solver.gamma), exponent))


def _float_power(base: np.float32, exponent: np.float32) -> np.float32:
    return f32(_power(base, exponent))


def _fixed(_: Schedule, s: Any, i: int) -> Any:
    return f32(s.base_lr)


def _step(schedule: Schedule, s: Any, i: int) -> Any:
    schedule.current_step = i // s.stepsize
    return _double_power(s, schedule.current_step)


def _exp(_: Schedule, s: Any, i: int) -> Any:
    return _double_power(s, i)


def _inv(_: Schedule, s: Any, i: int) -> Any:
    return f32(s.base_lr) * _float_power(f32(1) + f32(s.gamma) * f32(i), -f32(s.power))


def _multistep(schedule: Schedule, s: Any, i: int) -> Any:
    if schedule.current_step < len(s.stepvalue) and i >= s.stepvalue[schedule.current_step]:
        schedule.current_step += 1
        schedule.stepped = True
    return _double_power(s, schedule.current_step)


def _poly(_: Schedule, s: Any, i: int) -> Any:
    return f32(s.base_lr) * _float_power(f32(1) - f32(i) / f32(s.max_iter), f32(s.power))


def _sigmoid(_: Schedule, s: Any, i: int) -> Any:
    argument = -f32(s.gamma) * (f32(i) - f32(s.stepsize))
    grown = f32(math.exp(argument)) if argument < 88 else f32(np.inf)
    return f32(s.base_lr) * (f32(1) / (f32(1) + grown))


def _cosine(_: Schedule, s: Any, i: int) -> Any:
    floor = s.lungo.cosine_floor
    share = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1, i / s.max_iter)))
    return f32(s.base_lr * share)


POLICIES: dict[str, Callable[[Schedule, Any, int], Any]] = {
    "fixed": _fixed,
    "step": _step,
    "exp": _exp,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "sigmoid": _sigmoid,
    "cosine": _cosine,
}
"""Caffe's seven policies, and ``cosine``."""
