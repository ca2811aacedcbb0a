"""Which snapshots stay: the newest k, the best weights, and none of a run that --overwrite gives up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from caffelungo.solve import nets, snapshot
from caffelungo.solve.ledger import WHOLE
from caffelungo.solve.observer import Observer
from caffelungo.solve.snapshot import Snapshot
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.training import Training
from caffelungo.weights import formats
from caffelungo.wording import counted


class Keeper(Observer):
    """Keeps what ``extras`` (the lungo.SolverExtras of the solver) asks for: keep_last and keep_best."""

    def __init__(self, training: Training, extras: Any) -> None:
        self.training, self.extras = training, extras
        self.thresholds: tuple[float, ...] = ()

    def on_test(self, iteration: int, net: int, result: TestResult) -> None:
        """Remember the thresholds that the first test net's labels are best told with: the best weights carry them."""
        if net == 0:
            self.thresholds = result.thresholds

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Delete all but the newest ``keep_last`` snapshots, once a newer one is complete."""
        if self.extras.keep_last:
            self._keep_last(int(self.extras.keep_last))

    def _keep_last(self, count: int) -> None:
        training = self.training
        complete = [
            one
            for one in snapshot.listed(training.prefix)
            if one.iteration <= training.iteration and training.ledger.ours(one.state)
        ]
        snapshot.discard(complete[:-count], training.ledger)

    def on_best(self, iteration: int, value: float) -> None:
        """Write the weights of now as the best ones: ``<prefix>_best.caffemodel``."""
        if self.extras.keep_best:
            training = self.training
            weights, net, shared = (
                training.weights(), nets.filtered(training.opened), nets.shared_blobs(training.plan),
            )  # fmt: skip
            if self.thresholds and weights.extras is not None:
                weights.extras.threshold.extend(self.thresholds)
            path = snapshot.best_of(training.prefix, training.form)

            def write() -> None:
                training.ledger.note([path.name], WHOLE)
                formats.write(path, weights, net, shared)

            snapshot.insistent(write, path, training.prefix)


class Overwriting(Observer):
    """Once this run has a snapshot, removes ``old`` ones of an earlier run, which --resume would take for this run's.

    They are taken out of the list ``old``. Only files that a recorded run wrote are removed; ``notice`` hears what was
    removed and what was not.
    """

    def __init__(self, training: Training, old: list[Snapshot], notice: Callable[[str], None]) -> None:
        self.training, self.old, self.notice = training, old, notice

    def on_snapshot(self, snapshot: Snapshot) -> None:
        old = [one for one in self.old if one.state != snapshot.state]
        self.old.clear()
        if old:
            self._remove(old)

    def _remove(self, old: Sequence[Snapshot]) -> None:
        training = self.training
        left = snapshot.discard(old, training.ledger)
        near_start = training.near_start
        kept = near_start.start.path if near_start and near_start.start else None
        snapshot.discard_starts(training.prefix, kept, training.ledger)
        if len(left) < len(old):
            count = len(old) - len(left)
            self.notice(f"{counted(count, 'snapshot')} of the older run removed, as --overwrite says")
        if left:
            self.notice(
                f"{counted(len(left), 'snapshot')} kept that no recorded run of this program wrote, the newest "
                f"{left[-1].state}: move them away, or --resume may continue from one of them"
            )
