"""`lungo compare`: the ways of adapting a net, on the user's own pictures, with seeds, rates and intervals.

    folder of classes, net, weights
    ->  lists of pictures, one net an arm and depth     (pictures, arms)
    ->  cells: one training each, rate x seed           (cells, training; what is done is not done again)
    ->  per arm the rate that is best on validation     (choose)
    ->  accuracy on test pictures, paired differences   (statistics), claims (claims), page and tables (report)

No torch here: what needs it runs in the cells.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import catalogue, files
from caffelungo.data.parallel import Progress
from caffelungo.definition import editor
from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.reader import Definition, read_net
from caffelungo.errors import UserError
from caffelungo.passes.base import run, step
from caffelungo.passes.finetune import FinetuneOptions, finetune
from caffelungo.passes.view import View
from caffelungo.study import effort, scale
from caffelungo.study.arms import Configuration, build, chosen, configurations
from caffelungo.study.cells import Cell, Inputs, Result, Runner
from caffelungo.study.pictures import Pictures, gather
from caffelungo.weights import formats
from caffelungo.weights.base import Weights
from caffelungo.weights.copy import match
from caffelungo.weights.load import load

FACTORS = (1 / 3, 1.0, 3.0)
"""Rates tried, as shares of the middle of the range."""
BEYOND = 3.0
"""Where the best rate is the lowest or highest tried, the next one is so many times further out."""
TRAIN = "caffelungo.study.training:train"
MEASURE = "caffelungo.study.scale:measure"
TUNES = {"new": "NEW", "top": "TOP", "top_two": "TOP_TWO", "all": "ALL"}


@dataclass(frozen=True)
class CompareOptions:
    """What is compared, and how much of it.

    ``rates``: these for all arms, instead of three around what the size of the features suggests. ``extend``: how often
    the range grows where its end is best. ``factors`` are the three. The rest is as `lungo compare --help` says.
    """

    data: str
    output: str
    model: str
    weights: str | None = None
    test: str | None = None
    arms: tuple[str, ...] = ("paper", "controls")
    tune: tuple[str, ...] = ("new", "all")
    units: tuple[int, ...] = (256,)
    seeds: int = 3
    rates: tuple[float, ...] = ()
    factors: tuple[float, ...] = FACTORS
    extend: int = 2
    iterations: int = 150
    batch_size: int = 16
    size: int | None = None
    per_class: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    threads: int = 1
    retry: bool = False


@dataclass
class Candidate:
    """A configuration ready to be trained: inputs by their ids, or why it cannot be built."""

    configuration: Configuration
    net: str = ""
    weights: str = ""
    effort: float = 0.0
    iterations: int = 0
    refusal: str | None = None
    centre: float = 0.0
    cells: dict[float, list[Cell]] = field(default_factory=dict)
    """By rate, one a seed."""


@dataclass(frozen=True)
class Tried:
    """A configuration at one rate: means over seeds, and how many seeds failed."""

    rate: float
    accuracy: float
    loss: float
    failed: int


@dataclass
class Outcome:
    """How a configuration came out at the rate that was best on the validation pictures.

    ``right``: seeds x test pictures, None where it failed (``failure`` says why). ``edge``: the best rate is the
    lowest or the highest that was tried. ``seconds``: CPU seconds of one training.
    """

    configuration: Configuration
    tried: list[Tried] = field(default_factory=list)
    rate: float = 0.0
    right: NDArray[np.bool_] | None = None
    validation: float = 0.0
    seconds: float = 0.0
    edge: bool = False
    failure: str | None = None
    iterations: int = 0
    parameters: int = 0

    @property
    def accuracy(self) -> float:
        """Share of the test pictures, mean over seeds."""
        return float(self.right.mean()) if self.right is not None else 0.0


@dataclass
class Comparison:
    """All outcomes, in the order of tables, and what they were measured on."""

    options: CompareOptions
    pictures: Pictures
    outcomes: list[Outcome]
    notices: list[str]
    cpu_seconds: float
    cells: int
    failed: int

    def outcome(self, arm: str, tune: str, units: int | None = None) -> Outcome | None:
        """That of ``arm`` at depth ``tune``: with ``units``, or with as many as did best on validation."""
        found = [
            one
            for one in self.outcomes
            if (one.configuration.arm.name, one.configuration.tune) == (arm, tune)
            and one.right is not None
            and (units is None or one.configuration.units in (0, units))
        ]
        return max(found, key=lambda one: one.validation, default=None)


class Study:
    """The comparison in its folder. ``plan`` builds what is to be trained, ``run`` trains what is not done yet."""

    def __init__(self, options: CompareOptions, progress: Progress | None = None) -> None:
        _check(options)
        self.options = options
        self.folder = Path(options.output)
        self.inputs = Inputs(self.folder)
        self.tunes = [TUNES[word] for word in options.tune]
        self.pictures = gather(options.data, options.test, per_class=options.per_class, progress=progress)
        self.notices = list(self.pictures.notices)
        self.lists = {part: self.inputs.add(self.pictures.text(part), ".txt") for part in ("fit", "validation", "test")}
        self.base = ready(options, len(self.pictures.classes))
        self.start = _weights(options)
        self.weights = self._kept(self.start, self.base) if self.start else ""
        self.candidates: list[Candidate] = []

    def plan(self) -> list[Candidate]:
        """Every configuration's net and weights among the inputs; what cannot be built carries its reason."""
        arms = chosen(self.options.arms)
        wanted = configurations(arms, self.tunes, self.options.units)
        self.candidates = [self._candidate(one) for one in wanted]
        longest = {
            tune: max((one.effort for one in self.candidates if one.configuration.tune == tune), default=0.0)
            for tune in self.tunes
        }
        for one in self.candidates:
            one.iterations = self.options.iterations
            if one.configuration.arm.longer and one.effort:
                ratio = min(effort.LONGEST, longest[one.configuration.tune] / one.effort)
                one.iterations = round(one.iterations * ratio)
        return self.candidates

    def _candidate(self, one: Configuration) -> Candidate:
        try:
            built = build(one, self.base, self.start)
        except UserError as error:
            return Candidate(one, refusal="; ".join(problem.what for problem in error.problems))
        weights = self.weights
        if built.weights is not None:
            weights = self._written(built.weights, built.definition)
        net = self.inputs.add(built.definition.text, ".prototxt")
        return Candidate(one, net, weights, effort.operations(View(built.definition)))

    def _kept(self, name: str, base: Definition) -> str:
        """The weights ``name`` as an input; UserError with every layer that they do not fit."""
        weights = load(name)
        problems = match(View(base).plan, weights, where=base.where).problems
        if problems:
            raise UserError(problems)
        file = Path(name)
        return self.inputs.add(file) if file.is_file() else self._written(weights, base)

    def _written(self, weights: Weights, net: Definition) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.caffemodel"
            formats.write(path, weights, net.message)
            return self.inputs.add(path)

    def run(self, runner: Runner, say: Callable[[str], None] = lambda text: None) -> Comparison:
        """Measure the features, train every cell, choose rates, and go further out where the best is at an end."""
        ready_ones = [one for one in self.candidates if one.refusal is None]
        say("how large the features are, for the range of rates")
        self._measure(runner, ready_ones)
        results: dict[str, Result] = {}
        for one in ready_ones:
            for factor in self.options.factors:
                self._add(one, one.centre * factor)
            for rate in self.options.rates:
                self._add(one, rate)
        pending = [cell for one in ready_ones for cells in one.cells.values() for cell in cells]
        for further in range(self.options.extend + 1):
            say(f"{len(pending)} trainings" + (f", further out ({further})" if further else ""))
            results |= runner.run(pending)
            pending = []
            if further == self.options.extend:
                break
            for one in ready_ones:
                found = outcome(one, results)
                if found.edge:
                    rate = found.rate
                    new = rate / BEYOND if rate == min(one.cells) else rate * BEYOND
                    pending += self._add(one, new)
            if not pending:
                break
        outcomes = [outcome(one, results) for one in self.candidates]
        done = list(results.values())
        return Comparison(
            self.options, self.pictures, outcomes, self.notices, sum(result.cpu_seconds for result in done),
            len(done), sum(not result.done for result in done),
        )  # fmt: skip

    def _measure(self, runner: Runner, ones: Sequence[Candidate]) -> None:
        """Set each candidate's middle of the range."""
        if self.options.rates:
            return
        cells = {
            id(one): Cell(
                MEASURE,
                {"net": one.net, "weights": one.weights, "pictures_list": self.lists["fit"],
                 "pictures": self.pictures.digest},
                title=f"features of {one.configuration.label}",
            )
            for one in ones
        }  # fmt: skip
        found = runner.run(list(cells.values()))
        for one in ones:
            result = found[cells[id(one)].key]
            if result.done:
                one.centre = scale.centre(result.values)
            else:
                one.refusal = f"its features cannot be measured: {result.error}"
        ones[:] = [one for one in ones if one.refusal is None]  # type: ignore[index]

    def _add(self, one: Candidate, rate: float) -> list[Cell]:
        """The cells of ``one`` at ``rate``, one a seed."""
        rate = float(f"{rate:.2g}")
        if rate <= 0 or rate in one.cells:
            return []
        one.cells[rate] = [
            Cell(
                TRAIN,
                {
                    "net": one.net, "weights": one.weights, **self.lists, "pictures": self.pictures.digest,
                    "rate": rate, "seed": seed, "iterations": one.iterations, "batch": self.options.batch_size,
                },
                title=f"{one.configuration.label}, rate {rate:g}, seed {seed}",
            )
            for seed in range(self.options.seeds)
        ]  # fmt: skip
        return one.cells[rate]


def outcome(one: Candidate, results: Mapping[str, Result]) -> Outcome:
    """``one`` at the rate with the best mean validation accuracy (then loss) among those where no seed failed."""
    found = Outcome(one.configuration, iterations=one.iterations, failure=one.refusal)
    if one.refusal is not None:
        return found
    whole: dict[float, list[Result]] = {}
    for rate, cells in sorted(one.cells.items()):
        got = [results[cell.key] for cell in cells if cell.key in results]
        done = [result for result in got if result.done]
        found.tried.append(
            Tried(
                rate,
                _mean([result.values["validation_accuracy"] for result in done]),
                _mean([result.values["validation_loss"] for result in done]),
                len(got) - len(done),
            )
        )
        if done and len(done) == len(cells):
            whole[rate] = done
        elif got and not done:
            found.failure = found.failure or got[0].error
    usable = [tried for tried in found.tried if tried.rate in whole]
    if not usable:
        return found
    found.failure = None
    best = max(usable, key=lambda tried: (tried.accuracy, -tried.loss))
    rates = [tried.rate for tried in found.tried]
    # A rate that failed is no place to go on to: the best one beside it is not at an open end.
    found.edge = len(rates) > 1 and best.rate in (rates[0], rates[-1])
    found.rate, found.validation = best.rate, best.accuracy
    chosen_results = whole[best.rate]
    found.right = np.array(
        [np.equal(result.values["predictions"], result.values["labels"]) for result in chosen_results]
    )
    found.seconds = _mean([result.values["train_cpu_seconds"] for result in chosen_results])
    found.parameters = int(chosen_results[0].values["parameters"])
    return found


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def ready(options: CompareOptions, classes: int) -> Definition:
    """The net with a fresh classifier, reading pictures resized to the input (no crop) and mirrored at random."""
    path, variables = catalogue.resolve(options.model, options.variables)
    original = read_net(path, variables or None)
    side = options.size or _side(original)
    pointed = FinetuneOptions(
        classes=classes, train_source="fit.txt", val_source="test.txt", suffix="target", batch_size=options.batch_size,
        test_batch_size=options.batch_size, size=side, resize=side,
    )  # fmt: skip
    net = run(original, [step(finetune, pointed)]).definition
    return editor.apply(net, _absolute(net, path))


def _side(net: Definition) -> int | None:
    shapes = [one.top_shapes[0] for one in View(net).plan.sources if one.top_shapes]
    sides = [shape[2] for shape in shapes if shape is not None and len(shape) == 4]
    return next((side for side in sides if side), None)


def _absolute(net: Definition, path: Path) -> list[Edit]:
    """Mean files by their full paths: the cells' nets stand in another folder."""
    edits: list[Edit] = []
    for index, layer in enumerate(net.message.layer):
        if name := layer.transform_param.mean_file:
            found = files.find(name, path, what="mean file")
            edits.append(SetField(("layer", index, "transform_param", "mean_file"), str(found.absolute())))
    return edits


def _weights(options: CompareOptions) -> str | None:
    """The weights to start from: those given, else those that come with a net of the catalogue."""
    if options.weights == "none":
        return None
    if options.weights is not None:
        return options.weights
    shipped = None if Path(options.model).is_file() else catalogue.find(options.model).weights
    if shipped is None:
        raise UserError(
            "there are no weights to start from",
            received=f"--model {options.model}",
            remedy="name them: --weights net.caffemodel; or compare from scratch: --weights none",
        )
    return str(shipped)


def _check(options: CompareOptions) -> None:
    wrong = [word for word in options.tune if word not in TUNES]
    if wrong:
        raise UserError("not a depth of tuning", received=", ".join(wrong), remedy=f"one of {', '.join(TUNES)}")
    numbers = {"seeds": options.seeds, "iterations": options.iterations, "batch size": options.batch_size}
    low = [f"{name} {value}" for name, value in numbers.items() if value < 1]
    low += [f"units {value}" for value in options.units if value < 1]
    low += [f"rate {value:g}" for value in options.rates if not value > 0]
    if low:
        raise UserError("these must be positive", received=", ".join(low), remedy="give numbers above zero")
