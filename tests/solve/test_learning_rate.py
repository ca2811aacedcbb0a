"""Learning rates against the values the original printed, and against the formulas by hand."""

from __future__ import annotations

import csv
import math
import re

import numpy as np
import pytest

from caffelungo.definition.schema import SolverParameter
from caffelungo.solve.learning_rate import Schedule
from caffelungo.solve.rate_policy import policies
from tests.support import needs_shared, shared


def schedule(**fields: object) -> Schedule:
    return Schedule(SolverParameter(base_lr=0.1, max_iter=100, **fields))


@needs_shared
@pytest.mark.parametrize("case", ["policy_inv", "policy_poly", "policy_step", "siamese_shared", "sgd_step_full"])
def test_rates_equal_the_printed_ones(case):
    folder = shared("reference", "caffe", "train", case)
    text = (folder / "solver.prototxt").read_text()
    fields = dict(re.findall(r'(base_lr|lr_policy|gamma|power|stepsize|max_iter): "?([\w.e-]+)', text))
    solver = SolverParameter(lr_policy=fields.pop("lr_policy"))
    for name, value in fields.items():
        setattr(solver, name, int(value) if name in ("stepsize", "max_iter") else float(value))
    rates = Schedule(solver)
    with (folder / "loss.csv").open() as file:
        for row in csv.DictReader(file):
            assert np.float32(rates.rate(int(row["iter"]))) == np.float32(row["lr"])


@pytest.mark.parametrize(
    ("fields", "iteration", "wanted"),
    [
        ({"lr_policy": "fixed"}, 7, 0.1),
        ({"lr_policy": "step", "gamma": 0.5, "stepsize": 3}, 7, 0.025),
        ({"lr_policy": "exp", "gamma": 0.9}, 7, 0.1 * 0.9**7),
        ({"lr_policy": "inv", "gamma": 0.2, "power": 0.75}, 7, 0.1 * 2.4**-0.75),
        ({"lr_policy": "poly", "power": 2}, 7, 0.1 * 0.93**2),
        ({"lr_policy": "sigmoid", "gamma": 0.3, "stepsize": 5}, 7, 0.1 / (1 + math.exp(-0.6))),
        ({"lr_policy": "sigmoid", "gamma": 3, "stepsize": 500}, 7, 0.0),
        ({"lr_policy": "cosine"}, 50, 0.05),
        ({"lr_policy": "cosine", "lungo": {"cosine_floor": 0.1}}, 100, 0.01),
        ({"lr_policy": "fixed", "lungo": {"warmup_iter": 10}}, 0, 0.0),
        ({"lr_policy": "fixed", "lungo": {"warmup_iter": 10, "warmup_start": 0.5}}, 5, 0.075),
        ({"lr_policy": "fixed", "lungo": {"warmup_iter": 10}}, 10, 0.1),
    ],
)
def test_rate_by_hand(fields, iteration, wanted):
    assert schedule(**fields).rate(iteration) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_multistep_moves_one_step_a_call():
    rates = schedule(lr_policy="multistep", gamma=0.1, stepvalue=[3, 3, 5])
    values = [rates.rate(i) for i in range(7)]
    assert values == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.001, 0.0001, 0.0001])
    assert rates.current_step == 3


def test_multistep_goes_on_from_a_stored_step():
    solver = SolverParameter(base_lr=0.1, lr_policy="multistep", gamma=0.1, stepvalue=[3, 5])
    assert Schedule(solver, current_step=1).rate(4) == pytest.approx(0.01)


def test_step_keeps_its_step():
    rates = schedule(lr_policy="step", gamma=0.5, stepsize=3)
    rates.rate(7)
    assert rates.current_step == 2


def test_every_policy_gives_a_float32():
    for policy in policies():
        value = schedule(lr_policy=policy, gamma=0.9, power=0.7, stepsize=3, stepvalue=[2]).rate(4)
        assert float(np.float32(value)) == value


@pytest.mark.parametrize(
    ("fields", "iteration", "wanted"),
    [
        ({"lr_policy": "exp", "gamma": 2.0}, 5000, math.inf),
        ({"lr_policy": "exp", "gamma": 2.0}, 200, math.inf),
        ({"lr_policy": "step", "gamma": 3e38, "stepsize": 1}, 40, math.inf),
        ({"lr_policy": "inv", "gamma": 3e38, "power": 0.5}, 40, 0.0),
        ({"lr_policy": "inv", "gamma": -0.025, "power": 1.0}, 40, math.inf),
        ({"lr_policy": "poly", "power": 0.5}, 200, math.nan),
        ({"lr_policy": "poly", "power": -1.0}, 100, math.inf),
        ({"lr_policy": "sigmoid", "gamma": 3e38, "stepsize": 3}, 2, 0.0),
        ({"lr_policy": "fixed", "lungo": {"warmup_iter": 10, "warmup_start": 3e38}}, 0, 3e37),
    ],
)
def test_a_rate_out_of_reach_is_what_c_makes_of_it(fields, iteration, wanted):
    assert schedule(**fields).rate(iteration) == pytest.approx(wanted, nan_ok=True)
