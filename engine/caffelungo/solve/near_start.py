"""What holds a run near the weights it started from: L2-SP and DELTA, and the start they refer to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import ParamKey, Plan
from caffelungo.solve import attention
from caffelungo.solve.delta import Delta, held_layers
from caffelungo.solve.feed import Feed
from caffelungo.solve.ledger import Ledger
from caffelungo.solve.lr_mult import Update
from caffelungo.solve.nets import OpenedNet
from caffelungo.solve.starting_point import Start
from caffelungo.solve.validate import delta_problems, holds, source_problem

OUTPUT = "delta"
"""What DELTA's penalty is called among the outputs of the train net; it is no part of the loss that is shown."""


def watched(solver: Any, plan: Plan, where: Where) -> list[int]:
    """The values of ``plan`` that DELTA holds; UserError when ``solver`` (a SolverParameter) names others."""
    if "delta" not in holds(solver):
        return []
    if problems := delta_problems(solver, plan, where):
        raise UserError(problems)
    return [one.top_values[0] for one in held_layers(plan, solver.lungo.delta)]


class NearStart:
    """The options of one run: ``solver`` is its SolverParameter, ``where`` finds places in it.

    ``begin`` or ``resume`` says where the run started; ``ready`` is called before iterations.
    """

    def __init__(self, solver: Any, where: Where, opened: OpenedNet, store: Store, feed: Feed, update: Update) -> None:
        self.solver, self.where, self.on = solver, where, holds(solver)
        self.opened, self.store, self.feed, self.update = opened, store, feed, update
        self.start: Start | None = None
        self.delta: Delta | None = None
        self.output = OUTPUT if OUTPUT not in opened.plan.blobs else f"({OUTPUT})"

    def begin(self, copied: Collection[ParamKey]) -> None:
        """The run starts now; ``copied`` of its blobs came from weights, if any did."""
        if copied:
            self._settle(Start.of(self.opened.plan, self.store, copied))

    def resume(self, extras: Any, state: Path) -> None:
        """The run started where ``extras`` of the state says; UserError when that cannot be found."""
        start = Start.load(state, extras, self.store)
        options = self.solver.lungo.delta
        unknown = [name for name in options.layer if name not in start.attention] if self._measured else []
        if unknown:
            raise UserError(
                "the attention of this layer was not measured when the run started",
                where=self.where("lungo", "delta"),
                received=f'layer: "{unknown[0]}"',
                remedy="resume with the solver that wrote the state, or start anew from the weights with --weights",
            )
        self._settle(start)

    @property
    def _measured(self) -> bool:
        return "delta" in self.on and self.solver.lungo.delta.attention == 1

    def _settle(self, start: Start) -> None:
        self.start = start
        lungo = self.solver.lungo
        if "l2_sp" in self.on:
            params = self.opened.plan.params
            starts = [start.tensors.get(key) if use.spec.learned else None for key, use in params.items()]
            self.update.hold(starts, lungo.l2_sp)
        if "delta" in self.on:
            known = start.attention if self._measured else {}
            self.delta = Delta(self.opened, lungo.delta, start.tensors, known, self.feed.engine, self.where)

    def ready(self, progress: Callable[[int, int], None]) -> None:
        """UserError when it is not known where the run started; attention is measured here, once.

        ``progress`` hears how many channels of how many are measured.
        """
        if self.start is None:
            problem = source_problem(self.solver, self.where)
            assert problem is not None
            raise UserError(problem)
        if self._measured and self.delta is not None and not self.start.attention:
            self.start.written = ""
            self.start.attention = attention.measure(
                self.opened, self.store, self.feed, self.delta.layers, self.where, progress
            )
            self.delta.attention = [self.start.attention[one.name] for one in self.delta.layers]

    def penalty(self, tensors: Sequence[Tensor], maps: Sequence[Tensor]) -> Tensor | None:
        """DELTA's for a batch; None when it is off."""
        return None if self.delta is None else self.delta.penalty(tensors, maps)

    def save(self, prefix: Path, extras: Any, ledger: Ledger) -> None:
        """Write the start beside the snapshots of ``prefix``, and name it in the state's ``extras``."""
        if self.start is not None:
            extras.start_file, extras.start_sha256 = self.start.save(prefix, ledger)
