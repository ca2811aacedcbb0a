"""`lungo compare`: the ways of adapting a net, on the user's own pictures, with seeds, rates and intervals.

    folder of classes, net, weights
    ->  lists of pictures per seed, one net an arm and depth     (pictures, arms)
    ->  linear classifiers on the frozen net: the bar          (bar, probing)
    ->  cells: one training each, rate x seed                  (search, training; what is done is not done again)
    ->  accuracy on test pictures, paired differences          (statistics), claims (claims), a page (reporting)

With ``via``, another folder of classes, also the way there over that task: what its training leaves for this one, and
what is left of it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from caffelungo import drafts, files
from caffelungo.data.parallel import Progress
from caffelungo.data.picture_table import PictureColumns
from caffelungo.definition import catalogue, editor
from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.printer import print_net
from caffelungo.definition.reader import Definition
from caffelungo.errors import UserError
from caffelungo.passes.base import Step, run, step
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.one_label import OneLabelOptions, one_label
from caffelungo.passes.view import View
from caffelungo.plan import states
from caffelungo.plan.read_net import read_net
from caffelungo.study import frozen_baseline, step_cost
from caffelungo.study.arms import ARMS, BAR, Configuration, build, chosen, configurations
from caffelungo.study.cells import CellRunner, Inputs
from caffelungo.study.comparison_task import PARTS, Task
from caffelungo.study.options import TUNES, CompareOptions, check, weights_name
from caffelungo.study.picture_splits import gather
from caffelungo.study.search import ArmCandidate, Outcome, Search
from caffelungo.weights import formats
from caffelungo.weights.load import load
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights

HOPS = {
    "finetune": ("finetune", "wider", "remember", "wider-remember"),
    "wider": ("wider",),
}
"""What is done on the task between, and then on the target from what that left."""


@dataclass
class Comparison:
    """All outcomes, in the order of tables, and what they were measured on; ``between``: those on the task between."""

    options: CompareOptions
    task: Task
    outcomes: list[Outcome]
    between: list[Outcome]
    notices: list[str]
    cpu_seconds: float
    cells: int
    failed: int

    def outcome(self, arm: str, tune: str, units: int | None = None, after: str = "") -> Outcome | None:
        """That of ``arm`` at depth ``tune``: with ``units``, or as many as had the least loss on validation."""
        if arm == BAR:
            return self.bar
        found = [
            one
            for one in self.outcomes
            if (one.configuration.arm.name, one.configuration.tune, one.configuration.after) == (arm, tune, after)
            and one.right is not None
            and (units is None or one.configuration.units in (0, units))
        ]
        return min(found, key=lambda one: one.loss, default=None)

    @property
    def bar(self) -> Outcome | None:
        """The best linear classifier on the frozen net."""
        return frozen_baseline.best(self.outcomes)


class Study:
    """The comparison in its folder. ``plan`` builds what is to be trained, ``run`` trains what is not done yet."""

    def __init__(self, options: CompareOptions, progress: Progress | None = None) -> None:
        check(options)
        self.options = options
        self.folder = Path(options.output)
        self.inputs = Inputs(self.folder)
        self.tunes = [tune for word, tune in TUNES.items() if word in options.tune]
        path, variables = catalogue.resolve(options.model, options.variables)
        self.stages: list[str] = []
        read = states.phased(read_net(path, variables or None).within(options.stages, options.level), self.stages)
        self.original = anchored(run(read, [step(one_label, OneLabelOptions(options.head))]).definition, path)
        self.side = options.size or _side(self.original)
        self.start = weights_name(options)
        if self.start:
            _refuse_misfits(self.original, self.start)
        self.task = self._task(options.data, options.test, progress)
        self.between = self._task(options.via, None, progress) if options.via else None
        self.candidates: list[ArmCandidate] = []

    def plan(self) -> list[ArmCandidate]:
        """Every configuration's net and weights among the inputs; what cannot be built carries its reason."""
        units = list(dict.fromkeys(self.options.units))
        wanted = configurations(chosen(self.options.arms), self.tunes, units)
        weights = [self.start] * self.options.seeds
        self.candidates = [self._candidate(one, self.task, self.original, weights) for one in wanted]
        _lengthen(self.candidates)
        return self.candidates

    def run(self, runner: CellRunner, say: Callable[[str], None] = lambda text: None) -> Comparison:
        """Train what ``plan`` made; with a task between, what follows from it, too."""
        options = self.options
        search = Search(
            runner, options.batch_size, options.rates, options.factors, options.extend, options.start, say
        )  # fmt: skip
        notices = [*self.stages, *self.task.notices]
        outcomes = [*self._probed(runner, say, notices), *search.run(self.candidates)]
        between: list[Outcome] = []
        if self.between is not None:
            hops = self._hops(self.between)
            say("the intermediate task (--via)")
            between = search.run(hops)
            say("the target after it")
            outcomes += search.run(self._after(hops, between))
        done = list(search.results.values())
        if self.between is not None:
            notices += [f"--via: {notice}" for notice in self.between.notices]
        return Comparison(
            options, self.task, outcomes, between, notices, sum(result.cpu_seconds for result in done), len(done),
            sum(not result.done for result in done),
        )  # fmt: skip

    def _probed(self, runner: CellRunner, say: Callable[[str], None], notices: list[str]) -> list[Outcome]:
        """The linear classifiers on the net as it is; a notice where there can be none."""
        one = frozen_baseline.reference(self.candidates)
        if one is None:
            return []
        try:
            asked = frozen_baseline.cells(one, read_net(self.inputs.path(one.net)), self.options.batch_size)
        except UserError as error:
            notices.append(f"no linear classifiers were fitted: {error.problems[0].what}")
            return []
        say("linear classifiers on the frozen net: the bar")
        return frozen_baseline.outcomes(self.task, asked, runner.run(asked))

    def _hops(self, task: Task) -> list[ArmCandidate]:
        """The trainings on the task between; they keep their weights."""
        units = self.options.units[:1]
        wanted = configurations([ARMS[name] for name in HOPS], ["ALL"], units)
        hops = [self._candidate(one, task, self.original, [self.start] * self.options.seeds) for one in wanted]
        for one in hops:
            one.more = [{"keep": "weights"}] * self.options.seeds
        return hops

    def _after(self, hops: Sequence[ArmCandidate], between: Sequence[Outcome]) -> list[ArmCandidate]:
        """The trainings on the target that start from what those on the task between left, seed by seed."""
        found = []
        for hop, came in zip(hops, between, strict=True):
            name = hop.configuration.arm.name
            arms = [ARMS[arm] for arm in HOPS[name]]
            wanted = [replace(one, after=name) for one in configurations(arms, ["ALL"], self.options.units[:1])]
            if came.right is None:
                refusal = f"the intermediate task failed: {came.failure}"
                found += [ArmCandidate(one, self.task, refusal=refusal) for one in wanted]
                continue
            models = [str(result.folder / "model.caffemodel") for result in came.results]
            net = read_net(self.inputs.path(hop.net))
            for one in wanted:
                candidate = self._candidate(one, self.task, net, models)
                candidate.recalls = hop.task
                candidate.more = [
                    {"recall": {"net": hop.net, "test": lists["test"], "weights": self.inputs.add(Path(model))}}
                    for model, lists in zip(models, hop.task.lists, strict=True)
                ]
                found.append(candidate)
        return found

    def _candidate(
        self, one: Configuration, task: Task, net: Definition, weights: Sequence[str | None]
    ) -> ArmCandidate:
        """``one`` for ``task``, from ``net`` and its weights for each seed."""
        made: dict[str | None, str] = {}
        ready = self._ready(task)
        try:
            for path in dict.fromkeys(weights):
                built = build(one, net, ready, path)
                made[path] = self._kept(path, built.weights, built.definition)
        except UserError as error:
            reason = "; ".join(problem.what for problem in error.problems)
            return ArmCandidate(one, task, refusal=f"cannot be built: {reason}")
        # Comments are no part of the address: the header of a template names the folder it was found in.
        text = self.inputs.add(print_net(built.definition.message), ".prototxt")
        return ArmCandidate(
            one, task, text, [made[path] for path in weights], step_cost.operations(View(built.definition)),
            self.options.iterations_at.get(one.tune.lower(), self.options.iterations),
        )  # fmt: skip

    def _task(self, data: str, test: str | None, progress: Progress | None) -> Task:
        seeds = range(self.options.seeds)
        given = self.options
        columns = PictureColumns(given.path_column, given.label_column)
        splits = gather(
            data, test, per_class=given.per_class, seeds=seeds, progress=progress, columns=columns,
            groups=given.groups, corrected=given.corrections if data == given.data else None,
        )  # fmt: skip
        lists = [{part: self.inputs.add(split.text(part), ".txt") for part in PARTS} for split in splits]
        return Task(splits, lists)

    def _ready(self, task: Task) -> Step:
        """A fresh classifier, and pictures resized to the input (no crop) and mirrored at random."""
        batch = self.options.batch_size
        pointed = FinetuneOptions(
            classes=len(task.pictures.classes), train_source="fit.txt", val_source="test.txt",
            suffix="b" if task is self.between else "target", batch_size=batch, test_batch_size=batch, size=self.side,
            resize=self.side,
        )  # fmt: skip
        return step(finetune, pointed)

    def _kept(self, path: str | None, carried: Weights | None, net: Definition) -> str:
        """The weights a training starts from, as an input: those in ``path`` unless a pass made others."""
        if path is None:
            return ""
        if carried is None:
            if Path(path).is_file():
                return self.inputs.add(Path(path))
            carried = load(path)
        with drafts.scratch() as folder:
            written = folder / "weights.caffemodel"
            formats.write(written, carried, net.message)
            return self.inputs.add(written)


def _lengthen(candidates: Sequence[ArmCandidate]) -> None:
    """The arms that train longer get as many operations as the largest arm at their depth, within reason."""
    for one in candidates:
        if one.configuration.arm.longer and one.effort:
            tune = one.configuration.tune
            largest = max(other.effort for other in candidates if other.configuration.tune == tune)
            one.iterations = round(one.iterations * min(step_cost.LONGEST, largest / one.effort))


def _refuse_misfits(net: Definition, name: str) -> None:
    """UserError with every layer of ``net`` that the weights ``name`` do not fit."""
    if problems := match(View(net).plan, load(name), where=net.where).problems:
        raise UserError(problems)


def _side(net: Definition) -> int | None:
    shapes = [one.top_shapes[0] for one in View(net).plan.sources if one.top_shapes]
    sides = [shape[2] for shape in shapes if shape is not None and len(shape) == 4]
    return next((side for side in sides if side), None)


def anchored(net: Definition, path: Path) -> Definition:
    """``net`` with its mean files by their full paths: the cells' nets are in another folder."""
    edits: list[Edit] = []
    for index, layer in enumerate(net.message.layer):
        if name := layer.transform_param.mean_file:
            found = files.find(name, path, what="mean file")
            edits.append(SetField(("layer", index, "transform_param", "mean_file"), str(found.absolute())))
    return editor.apply(net, edits) if edits else net
