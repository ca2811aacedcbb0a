"""Which snapshots stay: the newest k, and the best weights. When to stop early."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo.solve import nets, snapshot
from caffelungo.solve.ledger import WHOLE
from caffelungo.weights import formats

if TYPE_CHECKING:
    from caffelungo.solve.solver import Solver


class Keeper:
    """Follows a run; ``extras`` is its lungo.SolverExtras."""

    def __init__(self, solver: Solver, extras: Any) -> None:
        self.solver, self.extras = solver, extras

    @property
    def best_path(self) -> Path:
        """Where the best weights go: ``<prefix>_best.caffemodel``."""
        return snapshot.best_of(self.solver.prefix, self.solver.form)

    def after_snapshot(self) -> None:
        """Delete all but the newest ``keep_last`` snapshots, once a newer one is complete."""
        if self.extras.keep_last:
            ledger = self.solver.ledger
            complete = [
                one
                for one in snapshot.listed(self.solver.prefix)
                if one.iteration <= self.solver.iteration and ledger.ours(one.state)
            ]
            snapshot.discard(complete[: -self.extras.keep_last], ledger)

    def keep_best(self) -> None:
        """Write the weights of now as the best ones."""
        if self.extras.keep_best:
            weights, net, shared = (
                self.solver.weights(),
                nets.filtered(self.solver.opened),
                nets.shared_blobs(self.solver.plan),
            )
            path = self.best_path
            ledger = self.solver.ledger

            def write() -> None:
                ledger.note([path.name], WHOLE)
                formats.write(path, weights, net, shared)

            snapshot.insistent(write, path, self.solver.prefix)

    def patience_over(self) -> bool:
        """Whether the watched output has not improved for ``early_stop`` tests."""
        watch = self.solver.watch
        return bool(self.extras.early_stop and watch is not None and watch.since >= self.extras.early_stop)
