"""What learning rate policies say on themselves, and that packages' ones are known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from caffelungo.definition.schema import SolverParameter
from caffelungo.errors import UserError
from caffelungo.solve.learning_rate import Schedule
from caffelungo.solve.rate_policy import Need, RatePolicy, policies, register
from caffelungo.solve.validate import solver_problems

POLICIES = policies()
FIELDS = {"gamma": 0.5, "stepsize": 10, "power": 0.75, "stepvalue": [10, 20], "max_iter": 40, "base_lr": 0.5}


def solver(name: str, **more: object) -> Any:
    return SolverParameter(**{"net": "net.prototxt", "lr_policy": name, **FIELDS, **more})


def test_caffes_come_first() -> None:
    caffes = ["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"]
    assert list(POLICIES)[: len(caffes)] == caffes
    assert len(POLICIES) > len(caffes)


@pytest.mark.parametrize("name", POLICIES)
def test_rates_are_numbers_of_a_sensible_size(name: str) -> None:
    schedule = Schedule(solver(name))
    rates = [schedule.rate(k) for k in range(40)]
    assert all(math.isfinite(rate) and 0 <= rate <= 0.5 for rate in rates)
    assert max(rates) > 0
    again = Schedule(solver(name))
    assert [again.rate(k) for k in range(40)] == rates


@pytest.mark.parametrize("name", POLICIES)
def test_a_run_goes_on_from_what_is_kept(name: str) -> None:
    """The step that a snapshot keeps is all that a policy needs to go on."""
    whole, first = Schedule(solver(name)), Schedule(solver(name))
    rates = [whole.rate(k) for k in range(40)]
    for k in range(23):
        first.rate(k)
    second = Schedule(solver(name), first.current_step)
    assert [second.rate(k) for k in range(23, 40)] == rates[23:]


WRONG = {"gamma": -1.0, "stepsize": 0, "max_iter": 0, "stepvalue": [20, 10]}


@pytest.mark.parametrize(("name", "need"), [(name, need) for name, one in POLICIES.items() for need in one.needs],
                         ids=lambda one: one if isinstance(one, str) else one.field)  # fmt: skip
def test_what_a_policy_needs_is_asked_for(name: str, need: Need) -> None:
    assert need.met(solver(name))
    broken = solver(name, **{need.field: WRONG[need.field]})
    assert not need.met(broken)
    told = [one for one in solver_problems(broken, lambda *path: None) if need.remedy == one.remedy]
    assert len(told) == 1
    assert need.field in str(told[0])


def test_every_policy_needs_a_rate() -> None:
    for name in POLICIES:
        given = solver(name)
        given.ClearField("base_lr")
        assert "base_lr" in " ".join(str(one) for one in solver_problems(given, lambda *path: None))


def test_an_unknown_policy() -> None:
    (problem,) = solver_problems(solver("triangulr"), lambda *path: None)
    assert problem.remedy == 'did you mean "triangular"?'
    (problem,) = solver_problems(solver("zzz"), lambda *path: None)
    assert problem.remedy == f"use one of: {', '.join(POLICIES)}"


def test_a_name_is_given_once() -> None:
    def other(state: Any, solver: Any, iteration: int) -> float:
        return 0.0

    with pytest.raises(UserError, match="'fixed' is registered twice"):
        register("fixed")(other)
    assert policies() == POLICIES
    assert solver_problems(solver("fixed"), lambda *path: None) == []
    assert all(isinstance(one, RatePolicy) for one in POLICIES.values())
