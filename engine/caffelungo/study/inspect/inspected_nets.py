"""The nets that are compared: the tuned one, and the one before, run up to the classifier's scores."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.layers.kinds import HEADS
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.view import Graph, View
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.plan.read_net import read_net
from caffelungo.report.glog import CaffeLog
from caffelungo.solve.open_test_net import open_test_net
from caffelungo.solve.options import TestOptions
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.tested_head import head_of, judge, judges
from caffelungo.study.inspect.groups import output_of
from caffelungo.study.inspect.options import InspectOptions
from caffelungo.weights import copy_table, match_layers
from caffelungo.weights.load import load


class PlanRunner:
    """A plan over a store, run as far as ``last`` (layers) need it."""

    def __init__(self, plan: Plan, store: Store, last: Sequence[PlannedLayer]) -> None:
        self.graph = Graph(plan)
        self.step = StepNet(plan, store)
        self.layers = [planned for planned in self.graph.upstream(last) if not planned.layer.source]

    @torch.no_grad()
    def forward(self, tensors: Sequence[Tensor]) -> dict[int, Tensor]:
        """Every value of the layers, for the tops of the sources in the order of the file."""
        self.step.data.clear()
        self.step.feed(*tensors)
        for planned in self.layers:
            self.step.forward_layer(planned)
        return self.step.data

    @torch.no_grad()
    def again(self, layers: Sequence[PlannedLayer]) -> dict[int, Tensor]:
        """Run ``layers`` once more, on the values as they are now."""
        for planned in layers:
            self.step.forward_layer(planned)
        return self.step.data

    def units(self, name: str) -> tuple[PlannedLayer, int] | None:
        """The layer called ``name`` and the value of its units; None when what is run has none."""
        for planned in self.layers:
            if planned.name == name:
                return planned, output_of(self.graph, planned)
        return None

    @property
    def learned(self) -> list[PlannedLayer]:
        """The layers of weighted sums, in the order of the file."""
        return [planned for planned in self.layers if planned.layer.type in HEADS]


@dataclass
class Tuned:
    """The tuned net: its test data, ``scores`` (the value that is compared with labels), the classifier ``head``."""

    test: TestNet
    runner: PlanRunner
    judge: PlannedLayer
    scores: int
    head: PlannedLayer

    @property
    def probabilities(self) -> bool:
        """Whether the scores went through a Softmax already."""
        maker = self.runner.graph.producer.get(self.scores)
        return maker is not None and maker.layer.type == "Softmax"


@dataclass
class Before:
    """The net before. ``known`` names the layers whose units can be compared: they and all before them come from
    ``path``. ``old`` are the layers that its weights fit."""

    runner: PlanRunner
    path: str
    old: frozenset[str]
    known: frozenset[str]
    picture: int
    notices: list[str] = field(default_factory=list)

    def forward(self, tensors: Sequence[Tensor]) -> dict[int, Tensor]:
        """Every value, for the inputs of the tuned net (a net with one input takes the first)."""
        return self.runner.forward(tensors[: self.picture])


def open_tuned(options: InspectOptions, console: Any = None) -> Tuned:
    """The net with its weights and data; UserError with everything wrong, or when it is no classifier of pictures."""
    if not options.model or not options.weights:
        raise UserError("need a net and its weights", remedy="lungo inspect --model FILE --weights FILE -o FOLDER")
    given = {
        name: getattr(options, name) for name in ("device", "gpu", "precision", "threads", "caffe", "memory_format")
    }
    test = open_test_net(
        TestOptions(
            **given, model=options.model, weights=options.weights, data=options.data, variables=options.variables,
            level=options.level, stages=options.stages, workers=options.workers, size=options.size, quiet=options.quiet,
            head=options.head,
        ),
        CaffeLog(), console,
    )  # fmt: skip
    plan, text = test.opened.plan, test.opened.text
    compared = next((one for one in judges(plan) if head_of(plan, one) == test.head), judge(plan))
    graph = Graph(plan)
    head = graph.head_of(compared.bottom_values[0]) if compared is not None else None
    if compared is None or head is None:
        definition = read_net(options.model, dict(options.variables) or None).within(options.stages, options.level)
        View(definition, sources=_shapes(test)).heads()
        raise UserError(
            "the net has no classifier with labels in phase TEST",
            where=text.where(),
            received=f"outputs {', '.join(plan.outputs) or 'none'}",
            remedy="inspect the train_val net, with its Accuracy or SoftmaxWithLoss",
        )
    scores = compared.bottom_values[0]
    shape = graph.shape(scores)
    if shape is not None and any(size != 1 for size in shape[2:]):
        raise UserError(
            f"`{head.name}` classifies places of a picture, not pictures",
            where=text.where("layer", head.index),
            received="scores of " + "x".join(str(size) for size in shape),
            remedy="inspect a net that gives one class per picture",
        )
    runner = PlanRunner(plan, test.net.store, [graph.producer[scores]])
    return Tuned(test, runner, compared, scores, head)


def _shapes(test: TestNet) -> dict[str, list[tuple[int | None, ...]]]:
    return {source.name: list(source.shapes) for source in test.opened.sources}


def open_before(options: InspectOptions, before: str, tuned: Tuned) -> Before:
    """The net with the weights that training began with, over the tuned net's graph or over ``before_model``.

    UserError when no layer has weights in the file, or the model cannot be built on the same pictures.
    """
    plan = tuned.test.opened.plan
    where = tuned.test.opened.text.where
    if options.before_model is not None:
        plan, where = _plan_before(options.before_model, tuned)
    beside = options.before_model or options.model
    weights = load(before, beside)
    table = match_layers.match(plan, weights, where=where)
    unlike = table.layers(copy_table.MISMATCH)
    grave = [p for p in table.problems if not any(f"layer `{name}`" in p.what for name in unlike)]
    if grave:
        raise UserError(grave)
    whole = {
        planned.name
        for planned in plan.layers
        if planned.params and all(use.key in table.arrays for use in planned.params if use.owner)
    }
    store = Store(seed=0, device=tuned.test.net.store.device)
    store.adopt(plan, skip_filling=frozenset(planned.key for planned in plan.layers if planned.name in whole))
    store.load(table.arrays)
    graph = Graph(plan)
    good = _from_file(graph, whole)
    ends = [one for one in plan.layers if one.layer.type in HEADS and output_of(graph, one) in good]
    if options.before_model is None:
        ends = [one for one in tuned.runner.layers if good.issuperset(one.top_values)]
    runner = PlanRunner(plan, store, [graph.producer[output_of(graph, one)] for one in ends])
    known = frozenset(one.name for one in runner.layers if output_of(graph, one) in good)
    ours = {planned.name for planned in tuned.runner.learned}
    notices = [f"`{name}` differs in shape in {weights.path}, so it counts as new" for name in unlike if name in ours]
    if not known:
        raise UserError(
            "the first layer is not in the weights before, so nothing can be compared",
            received=f"--before {before}",
            remedy="name the weights before training, and --before-model if they belong to another net",
        )
    inputs = sum(len(planned.tops) for planned in plan.sources)
    return Before(runner, weights.path or before, frozenset(whole), known, inputs, notices)


def _from_file(graph: Graph, whole: Collection[str]) -> set[int]:
    """The values on whose way every weight comes from the file."""
    good = {value for planned in graph.plan.sources for value in planned.top_values}
    for planned in graph.plan.layers:
        fits = not planned.params or planned.name in whole
        if fits and planned.bottom_values and good.issuperset(planned.bottom_values):
            good.update(planned.top_values)
    return good


def _plan_before(model: str | Path, tuned: Tuned) -> tuple[Plan, Any]:
    """The plan of ``model`` on the inputs of the tuned net."""
    definition = read_net(model)
    opened = tuned.test.opened
    shapes = [shape or () for planned in opened.plan.sources for shape in planned.top_shapes]
    for phase in (TEST, TRAIN):
        state = states.state_of(definition, phase)
        found = build_plan(definition.message, state, problems=[]).sources
        if found:
            break
    else:
        View(definition)  # says what is missing
    if len(found) > 1 or len(found[0].tops) > len(shapes):
        raise UserError(
            "the net before has other inputs than the tuned one",
            where=definition.where("layer", found[-1].index),
            received=f"{', '.join(top for one in found for top in one.tops)}",
            remedy="use a net with one data layer or Input",
        )
    sources = {found[0].name: shapes[: len(found[0].tops)]}
    return build_plan(definition.message, state, where=definition.where, sources=sources), definition.where
