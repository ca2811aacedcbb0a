"""Finds the best rate of each candidate: three rates around an estimate, and further ones where needed.

    candidates (net, weights, task)  ->  where classifiers start (starting)  ->  middle of the range (scale)
    ->  cells rate x seed  ->  outcomes

No torch here: what needs it runs in the cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from caffelungo.study import feature_scale
from caffelungo.study.arms import Configuration
from caffelungo.study.cells import JSON, Cell, CellResult, CellRunner
from caffelungo.study.comparison_task import Task
from caffelungo.wording import counted

FACTORS = (1 / 3, 1.0, 3.0)
"""Rates tried, as shares of the middle of the range."""
BEYOND = 3.0
"""Where the best rate is the lowest or highest tried, the next one is so many times further out."""
TRAIN = "caffelungo.study.train_cell:train"
MEASURE = "caffelungo.study.feature_scale:measure"
START = "caffelungo.study.start_heads:start"
STARTS = ("probe", "filler")
"""How fresh classifiers start: as a converged one on what they read, or as the file's filler says."""


@dataclass
class ArmCandidate:
    """A configuration ready to be trained, or why it cannot be built.

    ``net`` is an input, ``weights`` are one per seed ("" starts from scratch), ``iterations`` those of its training.
    ``more`` are further fields of its cells, one mapping a seed. ``recalls`` is an old task that is tested afterwards.
    ``cells`` are by rate, one per seed.
    """

    configuration: Configuration
    task: Task
    net: str = ""
    weights: Sequence[str] = ()
    effort: float = 0.0
    iterations: int = 0
    refusal: str | None = None
    centre: float = 0.0
    more: Sequence[Mapping[str, JSON]] = ()
    recalls: Task | None = None
    cells: dict[float, list[Cell]] = field(default_factory=dict)

    def add(self, rate: float, batch: int, start: str = "filler") -> list[Cell]:
        """The cells at ``rate`` (to two digits), one per seed; none when they are there already."""
        rate = float(f"{rate:.2g}")
        if rate <= 0 or rate in self.cells:
            return []
        more = self.more or [{}] * len(self.weights)
        self.cells[rate] = []
        for seed, weights in enumerate(self.weights):
            needs = (self.starting(seed, batch),) if start == "probe" else ()
            heads = {"heads": 0} if needs else {}
            fields = {
                "net": self.net, "weights": weights, **self.task.fields(seed), "rate": rate, "seed": seed,
                "iterations": self.iterations, "batch": batch, **heads, **more[seed],
            }  # fmt: skip
            title = f"{self.configuration.label}, rate {rate:g}, seed {seed}"
            self.cells[rate].append(Cell(TRAIN, fields, needs, title=title))
        return self.cells[rate]

    def starting(self, seed: int, batch: int) -> Cell:
        """The cell that says where fresh classifiers start: the same for all rates."""
        lists = self.task.fields(seed)
        fields = {
            "net": self.net, "weights": self.weights[seed], "fit": lists["fit"], "pictures": lists["pictures"],
            "seed": seed, "batch": batch,
        }  # fmt: skip
        return Cell(START, fields, title=f"start of {self.configuration.label}, seed {seed}")


@dataclass(frozen=True)
class TriedRate:
    """A configuration at one rate: means over seeds on the validation pictures, and how many seeds failed."""

    rate: float
    accuracy: float
    loss: float
    failed: int


@dataclass
class Outcome:
    """How a configuration came out at the rate with the least loss on the validation pictures.

    ``right``: seeds x test pictures, NaN where the seed did not test one, None where it failed (``failure`` says why);
    ``recalled`` the same on the old task, where that was asked. ``validation`` and ``loss``: mean accuracy and loss on
    the validation pictures. ``edge``: the best rate is the lowest or the highest that was tried. ``seconds``: of one
    training, those of all threads on the CPU, those of the clock on a GPU. ``results``: those at the best rate, one a
    seed.
    """

    configuration: Configuration
    tried: list[TriedRate] = field(default_factory=list)
    rate: float = 0.0
    right: NDArray[np.float32] | None = None
    recalled: NDArray[np.float32] | None = None
    validation: float = 0.0
    loss: float = float("inf")
    seconds: float = 0.0
    edge: bool = False
    failure: str | None = None
    iterations: int = 0
    parameters: int = 0
    results: list[CellResult] = field(default_factory=list)


@dataclass
class Search:
    """Trains candidates by ``runner``; ``results`` are of all cells so far.

    ``rates``: these for all, instead of ``factors`` of each one's middle. ``extend``: how often the range may grow.
    ``start``: one of ``STARTS``.
    """

    runner: CellRunner
    batch: int
    rates: Sequence[float] = ()
    factors: Sequence[float] = FACTORS
    extend: int = 2
    start: str = "filler"
    say: Callable[[str], None] = lambda text: None
    results: dict[str, CellResult] = field(default_factory=dict)

    def run(self, candidates: Sequence[ArmCandidate]) -> list[Outcome]:
        """The outcome of each of ``candidates``, in their order."""
        ones = [one for one in candidates if one.refusal is None]
        if not self.rates:
            ones = self._measured(ones)
        pending = [
            cell
            for one in ones
            for rate in self.rates or [one.centre * factor for factor in self.factors]
            for cell in one.add(rate, self.batch, self.start)
        ]
        for further in range(self.extend + 1):
            if not pending:
                break
            self.say(counted(len(pending), "training") + (", at rates further out" if further else ""))
            self.results |= self.runner.run(pending)
            pending = [cell for one in ones for cell in self._further(one)] if further < self.extend else []
        return [outcome(one, self.results) for one in candidates]

    def _measured(self, ones: Sequence[ArmCandidate]) -> list[ArmCandidate]:
        """Those of ``ones`` whose features could be measured, with the middle of their range."""
        self.say("measuring the features, for the range of rates")
        cells = [
            Cell(
                MEASURE,
                {"net": one.net, "weights": one.weights[0], "list": one.task.lists[0]["fit"],
                 "pictures": one.task.splits[0].digest},
                title=f"features of {one.configuration.label}",
            )
            for one in ones
        ]  # fmt: skip
        starts = [one.starting(0, self.batch) for one in ones] if self.start == "probe" else []
        found = self.runner.run([*cells, *starts])
        fitted = [bool(found[cell.key].done and found[cell.key].values["heads"]) for cell in starts]
        measured = []
        for one, cell, starts_fitted in zip(ones, cells, fitted or [False] * len(ones), strict=True):
            result = found[cell.key]
            if result.done:
                one.centre = feature_scale.centre(result.values, starts_fitted)
                measured.append(one)
            else:
                one.refusal = f"its features cannot be measured: {result.error}"
        return measured

    def _further(self, one: ArmCandidate) -> list[Cell]:
        """The cells beyond the end of the range that is best, if an end is best; lower ones where all failed."""
        found = outcome(one, self.results)
        if found.right is None:
            return one.add(min(one.cells) / BEYOND, self.batch, self.start)
        if not found.edge:
            return []
        low = found.rate == min(one.cells)
        return one.add(found.rate / BEYOND if low else found.rate * BEYOND, self.batch, self.start)


def outcome(one: ArmCandidate, results: Mapping[str, CellResult]) -> Outcome:
    """``one`` at the rate with the least mean validation loss, then the best accuracy; a rate must do for all seeds."""
    found = Outcome(one.configuration, iterations=one.iterations, failure=one.refusal)
    if one.refusal is not None:
        return found
    whole: dict[float, list[CellResult]] = {}
    for rate, cells in sorted(one.cells.items()):
        got = [results[cell.key] for cell in cells if cell.key in results]
        done = [result for result in got if result.done]
        accuracy, loss = (mean(done, f"validation_{name}") for name in ("accuracy", "loss"))
        found.tried.append(TriedRate(rate, accuracy, loss, len(got) - len(done)))
        if len(done) == len(cells):
            whole[rate] = done
        found.failure = found.failure or next((result.error for result in got if not result.done), None)
    usable = [tried for tried in found.tried if tried.rate in whole]
    if not usable:
        return found
    best = min(usable, key=lambda tried: (tried.loss, -tried.accuracy))
    rates = [tried.rate for tried in found.tried]
    found.failure, found.results = None, whole[best.rate]
    found.edge = len(rates) > 1 and best.rate in (rates[0], rates[-1])
    found.rate, found.validation, found.loss = best.rate, best.accuracy, best.loss
    found.right = one.task.table(right(found.results, "predictions", "labels"))
    if one.recalls is not None:
        found.recalled = one.recalls.table(right(found.results, "recall_predictions", "recall_labels"))
    found.seconds = mean(found.results, "train_seconds")
    found.parameters = int(found.results[0].values["parameters"])
    return found


def right(results: Sequence[CellResult], predictions: str, labels: str) -> list[NDArray[np.bool_]]:
    """For each of ``results`` which test pictures it had right."""
    return [np.equal(result.values[predictions], result.values[labels]) for result in results]


def mean(results: Sequence[CellResult], name: str) -> float:
    """The mean of the value ``name``; NaN of none."""
    return float(np.mean([result.values[name] for result in results])) if results else float("nan")
