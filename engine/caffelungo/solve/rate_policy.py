"""The only list of learning rate policies: ``rate_policies/`` and the entry points ``caffelungo.rate_policies``.

    @register("linear", needs=(REACHES_ITS_END,))
    def linear(state: RateState, solver: Any, iteration: int) -> Any:
        return f32(solver.base_lr) * f32(1 - min(1, iteration / solver.max_iter))

The word that ``register`` takes is what a solver writes as ``lr_policy``. Warm-up is not part of a policy: ``Schedule``
puts it before all of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

import numpy as np

from caffelungo import packages
from caffelungo.errors import Problem, UserError
from caffelungo.solve import rate_policies

ENTRY_POINTS = "caffelungo.rate_policies"
f32 = np.float32


class RateState(Protocol):
    """What a policy may keep from one iteration to the next, as Caffe's solverstate does."""

    current_step: int
    """How often the rate has fallen; saved with a snapshot."""
    stepped: bool
    """Whether the rate fell with this call (it is logged)."""


Rate = Callable[[RateState, Any, int], Any]
"""The rate of an iteration (from 0) under a SolverParameter: a number, best in float32 as Caffe's are."""
F = TypeVar("F", bound=Rate)


@dataclass(frozen=True)
class Need:
    """What a policy needs of a solver's field: ``what``, as "stepsize > 0", and the remedy where that is not ``met``.

    ``message`` is what a Problem says instead of what is needed.
    """

    field: str
    what: str
    met: Callable[[Any], bool]
    remedy: str
    message: str = ""


FALLS = Need(
    "gamma", "gamma >= 0", lambda solver: not solver.gamma < 0,
    "write the factor by which the rate falls, as `gamma: 0.1`",
)  # fmt: skip
HAS_STEPS = Need(
    "stepsize", "stepsize > 0", lambda solver: solver.stepsize > 0,
    "add `stepsize: N`, the number of iterations between steps",
)  # fmt: skip
REACHES_ITS_END = Need(
    "max_iter", "max_iter > 0", lambda solver: solver.max_iter > 0, "add `max_iter: N`, where the rate reaches its end"
)


@dataclass(frozen=True)
class RatePolicy:
    """A policy: its ``name``, the function, and what it needs of a solver."""

    name: str
    rate: Rate
    needs: tuple[Need, ...] = ()


_registered: dict[str, RatePolicy] = {}
_refused: dict[str, list[Problem]] = {}
"""Second policies of packages by their name; elsewhere, as in a notebook, the error itself is seen."""
_loading = [False]


def register(name: str, needs: tuple[Need, ...] = ()) -> Callable[[F], F]:
    """Decorator of a ``Rate``: make it the policy ``name``; UserError for a second one of that name."""

    def decorate(rate: F) -> F:
        known = _registered.get(name)
        try:
            packages.refuse_second("learning rate policy", name, known and known.rate, rate)
        except UserError as error:
            if _loading[0]:
                _refused[name] = error.problems
            raise
        _registered[name] = RatePolicy(name, rate, needs)
        return rate

    return decorate


def policies() -> dict[str, RatePolicy]:
    """Every known policy by its name: Caffe's first, then the others as they were loaded."""
    _load()
    return dict(_registered)


def missing(name: str) -> list[Problem]:
    """Why the policy ``name`` may be missing, or is not the only one: what is wrong with the policies of packages."""
    failed = _load()
    return _refused.get(name, []) if name in _registered else list(failed)


@cache
def _load() -> tuple[Problem, ...]:
    for module in pkgutil.iter_modules(rate_policies.__path__):
        importlib.import_module(f"{rate_policies.__name__}.{module.name}")
    _loading[0] = True
    try:
        return tuple(packages.load(ENTRY_POINTS, "the learning rate policies"))
    finally:
        _loading[0] = False
