"""Caffe's seven policies with its float32 arithmetic.

Caffe: SGDSolver::GetLearningRate. Its rate is a float; an integer exponent makes C++ compute in double first.
"""

from __future__ import annotations

import math
from typing import Any, SupportsFloat

import numpy as np

from caffelungo.solve.rate_policy import FALLS, HAS_STEPS, REACHES_ITS_END, Need, RateState, f32, register

RISES = Need(
    "stepvalue", "increasing stepvalue", lambda solver: list(solver.stepvalue) == sorted(solver.stepvalue),
    "sort the `stepvalue:` lines", message="stepvalue must increase",
)  # fmt: skip


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


@register("fixed")
def fixed(_: RateState, s: Any, i: int) -> Any:
    return f32(s.base_lr)


@register("step", needs=(FALLS, HAS_STEPS))
def step(state: RateState, s: Any, i: int) -> Any:
    state.current_step = i // s.stepsize
    return _double_power(s, state.current_step)


@register("exp", needs=(FALLS,))
def exp(_: RateState, s: Any, i: int) -> Any:
    return _double_power(s, i)


@register("inv", needs=(FALLS,))
def inv(_: RateState, s: Any, i: int) -> Any:
    return f32(s.base_lr) * _float_power(f32(1) + f32(s.gamma) * f32(i), -f32(s.power))


@register("multistep", needs=(FALLS, RISES))
def multistep(state: RateState, s: Any, i: int) -> Any:
    if state.current_step < len(s.stepvalue) and i >= s.stepvalue[state.current_step]:
        state.current_step += 1
        state.stepped = True
    return _double_power(s, state.current_step)


@register("poly", needs=(REACHES_ITS_END,))
def poly(_: RateState, s: Any, i: int) -> Any:
    return f32(s.base_lr) * _float_power(f32(1) - f32(i) / f32(s.max_iter), f32(s.power))


@register("sigmoid", needs=(FALLS, HAS_STEPS))
def sigmoid(_: RateState, s: Any, i: int) -> Any:
    argument = -f32(s.gamma) * (f32(i) - f32(s.stepsize))
    grown = f32(math.exp(argument)) if argument < 88 else f32(np.inf)
    return f32(s.base_lr) * (f32(1) / (f32(1) + grown))
