"""The triangular policy: a line up and a line down."""

from __future__ import annotations

import pytest

from caffelungo.definition.schema import SolverParameter
from caffelungo.solve.learning_rate import Schedule
from caffelungo.solve.validate import solver_problems


def solver(**fields: object) -> SolverParameter:
    return SolverParameter(net="net.prototxt", base_lr=0.8, lr_policy="triangular", **fields)


def test_by_hand() -> None:
    """Smith's figure 2: a quarter of the rate at the ends, the whole in the middle, each iteration an equal step."""
    rates = Schedule(solver(gamma=0.25, stepsize=3))
    assert [rates.rate(k) for k in range(8)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.6, 0.4, 0.2, 0.4])


def test_what_it_needs() -> None:
    (problem,) = solver_problems(solver(gamma=0.25), lambda *path: None)
    assert problem.what == 'lr_policy "triangular" needs stepsize > 0'
    assert "stepsize: N" in str(problem.remedy)
