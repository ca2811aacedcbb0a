"""A finished training: its history as a table and as curves, its files, and the net that it left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffelungo.api.verb_report import DataTable, VerbReport
from caffelungo.report.metrics_csv import Point
from caffelungo.solve.observer import ObservedRun, Observer

if TYPE_CHECKING:
    from caffelungo.api.net import Net
    from caffelungo.solve.test_result import TestResult

Listener = Callable[[int, dict[str, float]], object]
"""Called with the iteration and the values of each displayed iteration and of each test; True ends the training."""
Callbacks = Observer | Listener | Sequence[Observer | Listener]


@dataclass(frozen=True, repr=False)
class TrainReport(VerbReport):
    """A training. ``ending``: ``done``, ``stopped`` (SIGINT, a callback, early stop) or ``terminated`` (SIGTERM).

    ``history`` has a row per displayed iteration and per test: ``iteration``, ``phase`` (``train`` or ``test``),
    ``net`` (the number of the test net) and a column per value: ``loss``, ``lr``, ``accuracy`` ... ``weights`` is the
    newest snapshot, ``best`` that of the best test where the solver keeps it (None: there is none), ``folder`` the
    run's folder with log, curves and record.
    """

    iteration: int
    ending: str
    weights: str | None
    best: str | None
    folder: str | None
    history: DataTable
    points: list[Point] = field(repr=False)
    training: Any = field(repr=False)

    def plot(self) -> Any:
        """The curves of losses, accuracies and the learning rate as a matplotlib figure."""
        from caffelungo.report import curves

        return curves.figure(self.points)

    def open(self) -> Net:
        """The net that was trained, with the weights of the end (those of the best test where they are kept)."""
        from caffelungo.api.net import Net
        from caffelungo.plan.read_net import read_net
        from caffelungo.weights.load import load

        weights = load(self.best) if self.best is not None else self.training.weights()
        path = self.training.opened.text.path
        return Net(read_net(path), weights)


def history(points: Iterable[Point]) -> DataTable:
    """``points`` with those of one iteration, phase and net in one row."""
    rows: dict[tuple[int, str, int], dict[str, Any]] = {}
    for point in points:
        start = {"iteration": point.iteration, "phase": point.phase, "net": point.net}
        rows.setdefault((point.iteration, point.phase, point.net), start)[point.name] = point.value
    return DataTable(rows.values())


def observers(callbacks: Callbacks) -> list[Observer]:
    """``callbacks`` as observers, in their order."""
    several = [callbacks] if isinstance(callbacks, Observer) or callable(callbacks) else list(callbacks)
    return [one if isinstance(one, Observer) else Listening(one) for one in several]


class Listening(Observer):
    """Calls a function with what is displayed and tested, and ends the run when it says so."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def on_attach(self, run: ObservedRun) -> None:
        self.run = run

    def on_display(self, iteration: int, loss: float, rate: float, outputs: Mapping[str, float]) -> None:
        self.tell(iteration, {**outputs, "loss": loss, "lr": rate})

    def on_test(self, iteration: int, net: int, result: TestResult) -> None:
        self.tell(iteration, {f"test {name}": value for name, value in result.values().items()})

    def tell(self, iteration: int, values: dict[str, float]) -> None:
        if self.listener(iteration, values) is True:
            self.run.stop()
