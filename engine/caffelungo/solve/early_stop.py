"""A run ends early once the watched output of its tests has stopped improving."""

from __future__ import annotations

from collections.abc import Callable

from caffelungo.solve.observer import ObservedRun, Observer
from caffelungo.solve.watched_output import Watch


class EarlyStop(Observer):
    """Stops after ``patience`` tests (0: never) in a row of which none was the best; ``say`` hears why."""

    def __init__(self, watch: Watch | None, patience: int, say: Callable[[str], None]) -> None:
        self.watch, self.patience, self.say = watch, patience, say

    def on_attach(self, run: ObservedRun) -> None:
        self.run = run

    def on_tests(self, iteration: int) -> None:
        watch = self.watch
        if watch is not None and self.patience and watch.since >= self.patience:
            self.say(
                f"stopping early: {watch.name} has not improved in {watch.since} tests; "
                f"best {watch.best:.6g} at iteration {watch.iteration}"
            )
            self.run.stop()
