"""The test output by which a run is judged: keep-best and early-stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.errors import UserError, did_you_mean
from caffelungo.plan.plan import Plan
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.tested_head import judge
from caffelungo.solve.whole_test import measures_of

MEASURES = ("balanced_accuracy", "macro_f1")
"""What is counted of a classifier besides the outputs of its net."""


@dataclass
class Watch:
    """Remembers the best value of the watched output of the first test net."""

    name: str
    higher_is_better: bool
    best: float | None = None
    iteration: int = 0
    since: int = 0
    """Tests since the best one."""

    def see(self, iteration: int, result: TestResult) -> bool:
        """Take in a test; whether it is the best so far."""
        value = (result.measures | result.values()).get(self.name, result.loss)
        better = self.best is None or (value > self.best if self.higher_is_better else value < self.best)
        if better:
            self.best, self.iteration, self.since = value, iteration, 0
        else:
            self.since += 1
        return better


def make_watch(plan: Plan, name: str = "", numbers: Sequence[str] = ()) -> Watch:
    """The watch on output ``name`` of the test net ``plan``, or one of ``MEASURES``; empty: the first Accuracy, else
    the loss.

    ``numbers`` are names of the outputs of a net that predicts several, each of which may be watched: `rmse_age`.
    """
    makers = {blob: _maker(plan, blob) for blob in plan.outputs}
    single = measures_of(plan, numbers)
    measures = (*(MEASURES if judge(plan) is not None else ()), *single)
    if name in measures and name not in makers:
        return Watch(name, not makers[single[name][0]][1] if name in single else True)
    if name:
        if name not in makers:
            known = [*makers, *measures]
            near = did_you_mean(name, known)
            raise UserError(
                "the watched output is no output of the test net",
                received=f"watch: {name}",
                remedy=f"did you mean {near}?" if near else f"use one of: {', '.join(known) or '(the net has none)'}",
            )
        return Watch(name, not makers[name][1])
    for planned in plan.layers:
        if planned.layer.type == "Accuracy" and planned.tops[0] in makers:
            return Watch(planned.tops[0], higher_is_better=True)
    losses = [blob for blob, (_, loss) in makers.items() if loss]
    return Watch(losses[0] if losses else "loss", higher_is_better=False)


def _maker(plan: Plan, blob: str) -> tuple[str, bool]:
    """The layer that makes ``blob``, and whether less of it is better."""
    value = plan.value_of(blob)
    for planned in plan.layers:
        if value in planned.top_values:
            place = planned.top_values.index(value)
            falls = planned.layer.loss or place in planned.layer.lower_is_better
            return planned.name, falls or bool(planned.loss_weights[place])
    raise KeyError(blob)
