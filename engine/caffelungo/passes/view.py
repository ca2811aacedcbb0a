"""What a pass sees of a net: its layers, both phases' plans with shapes, and the questions passes ask.

    before:  Definition (text and message)
    after:   View: producers and consumers of every value, in-place chains, classifiers and the losses on them,
             everything a layer depends on, places in the user's file

Values (see ``plan.plan``) tell apart what an in-place layer read from what it wrote under the same blob name.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from caffelungo import shell
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Location, Problem, UserError
from caffelungo.layers.base import Shape
from caffelungo.layers.kinds import AFFINE, CLASS_LOSSES, HEADS, LABEL_LOSSES, NUMBER_LOSSES, OBSERVING, PASSING
from caffelungo.passes.graph import Graph as Graph
from caffelungo.passes.unknown_layer import suggestion
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan, PlannedLayer


@dataclass(frozen=True)
class ClassifierLayer:
    """A layer whose outputs are classes.

    ``ends`` are the losses, accuracies and softmaxes that its outputs reach, ``between`` the layers on the way there,
    ``label`` the blob they are compared with (None in a net without one).
    """

    head: PlannedLayer
    label: str | None
    ends: tuple[PlannedLayer, ...]
    between: tuple[PlannedLayer, ...]

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def classes(self) -> int:
        """How many outputs the head has."""
        return int(self.head.layer.options.num_output)

    @property
    def weight(self) -> float:
        """The largest loss weight of the losses on it; 0 without one."""
        return max((max(end.loss_weights, default=0.0) for end in self.ends), default=0.0)


class View:
    """A definition seen by a pass. Raises UserError for a net that does not fit together, or collects ``problems``.

    A phase that has no source of data is left out (a training file whose data layer is ``include { phase: TRAIN }``
    has no TEST net). A net that needs stages is seen in those for training and for testing (see ``plan.states``);
    ``others`` are graphs of its further states, ``amiss`` what does not fit there. ``sources`` tells shapes of data
    layers that the file does not, by layer name. ``head``: the classifier that passes mean when they name none.
    """

    def __init__(
        self,
        definition: Definition,
        problems: list[Problem] | None = None,
        *,
        sources: Mapping[str, Sequence[Shape]] | None = None,
        head: str | None = None,
    ) -> None:
        self.head = head
        self.definition = definition
        self.net: Any = definition.message
        self.sources = sources
        self.graphs: dict[int, Graph] = {}
        found: dict[str, Problem] = {}
        for phase in (TRAIN, TEST):
            mistakes: list[Problem] = []
            state = states.state_of(definition, phase)
            fed = states.with_feeders(definition, state) if state.stage else definition
            plan = build_plan(fed.message, state, where=fed.where, sources=sources, problems=mistakes)
            if not plan.sources and phase == TEST and self.graphs:
                continue
            if plan.sources:
                self.graphs[phase] = Graph(plan)
            found.update((str(problem), problem) for problem in mistakes)
        if TEST in self.graphs and TRAIN not in self.graphs:
            test_only: list[Problem] = []
            build_plan(
                self.net, self.graphs[TEST].plan.state, where=definition.where, sources=sources, problems=test_only
            )
            found = {str(problem): problem for problem in test_only}
        if not self.graphs and not found:
            nothing = Problem(
                "the net has no data layer and no Input", Location(str(definition.path)), None, _ADD_INPUT
            )
            found[str(nothing)] = nothing
        self.others: list[Graph] = []
        self.amiss: list[Problem] = []
        if not found:
            self._look_at_others()
        if problems is not None:
            problems.extend(found.values())
        elif found:
            raise UserError(found.values())

    def _look_at_others(self) -> None:
        """The graphs of further states that the file names (the stage for deployment); what does not fit there."""
        seen = {one.index for graph in self.graphs.values() for one in graph.plan.layers}
        for one in states.judged(self.definition) if states.stage_names(self.net) else ():
            net, where = one.definition.message, one.definition.where
            plan = build_plan(net, one.state, where=where, sources=self.sources, problems=self.amiss)
            if not seen.issuperset(layer.index for layer in plan.layers):
                self.others.append(Graph(plan))

    @property
    def graph(self) -> Graph:
        """The graph that passes look at: TRAIN's, or TEST's where there is no other."""
        return self.graphs.get(TRAIN) or self.graphs[TEST]

    @property
    def plan(self) -> Plan:
        """The plan of ``graph``."""
        return self.graph.plan

    @property
    def every(self) -> list[Graph]:
        """The graphs of all states that the file names."""
        return [*self.graphs.values(), *self.others]

    def readers(self, graph: Graph, value: int) -> list[tuple[Graph, PlannedLayer]]:
        """The layers that read ``value`` of ``graph``, in this state of the net or in any other one, with its graph."""
        found = {one.index: (graph, one) for one in graph.consumers(value)}
        maker = graph.producer.get(value)
        if maker is None:
            return [found[index] for index in sorted(found)]
        for other in self.every:
            for same in (one for one in other.plan.layers if one.index == maker.index):
                theirs = same.top_values[maker.top_values.index(value)]
                more = [one for one in other.consumers(theirs) if one.index not in found]
                found.update((one.index, (other, one)) for one in more)
        return [found[index] for index in sorted(found)]

    @cached_property
    def deploy_only(self) -> bool:
        """Whether nothing in the net is a loss: it answers, and cannot learn."""
        return not any(any(one.loss_weights) for graph in self.graphs.values() for one in graph.plan.layers)

    def where(self, index: int, *path: str | int) -> Location | None:
        """The place of layer ``index`` (a position in the file), or of a field of it."""
        return self.definition.where("layer", index, *path)

    def named(self, name: str) -> list[int]:
        """The positions of the layers called ``name``: one, or one a phase."""
        return [index for index, layer in enumerate(self.net.layer) if layer.name == name]

    def find(self, name: str, option: str = "layer") -> PlannedLayer:
        """The layer called ``name``, or that last wrote the blob of that name; UserError with the nearest name."""
        by_name = [one for one in self.plan.layers if one.name == name]
        if by_name:
            return by_name[0]
        by_blob = [one for one in self.plan.layers if name in one.tops]
        if by_blob:
            return by_blob[0]
        names = [one.name for one in self.plan.layers]
        raise UserError(
            f"the net has no layer called `{name}`",
            where=Location(str(self.definition.path)),
            received=f"{option} {name}",
            remedy=suggestion(name, names),
        )

    def free(self, name: str, taken: Iterable[str] = ()) -> str:
        """``name``, with a number behind it if a layer or a blob is called so already."""
        return free_name(name, self._used.union(taken))

    @cached_property
    def _used(self) -> set[str]:
        """Every name of a layer or a blob."""
        names = {layer.name for layer in self.net.layer}
        return names.union(blob for layer in self.net.layer for blob in (*layer.top, *layer.bottom))

    @cached_property
    def classifiers(self) -> list[ClassifierLayer]:
        """Every classifier in the order of the file: under a loss or an accuracy on a label, else under a Softmax.

        In a net with neither, what tells several labels or predicts numbers under a loss of theirs on the data's label;
        else the layers of type InnerProduct or Convolution whose outputs leave the net.
        """
        found: dict[int, ClassifierLayer] = {}
        for graph in self.graphs.values():
            for end in graph.plan.layers:
                if end.layer.type in CLASS_LOSSES | {"Accuracy"} and len(end.bottoms) > 1:
                    _add(found, graph, end, end.bottoms[1])
        learned = set(found)
        for graph in self.graphs.values():
            for end in graph.plan.layers:
                if end.layer.type == "Softmax" and (learned or _leaves(graph, end)):
                    _add(found, graph, end, None, among=learned)
        for graph in self.graphs.values() if not found else ():
            for end in graph.plan.layers:
                if end.layer.type in NUMBER_LOSSES | {"RegressionScore"} and _on_label(graph, end):
                    _add_numbers(found, graph, end)
                if end.layer.type in LABEL_LOSSES | {"MultiLabelScore"} and _on_label(graph, end):
                    _add(found, graph, end, end.bottoms[1])
        if not found:
            found = {one.head.index: one for one in self._open_ends()}
        return [found[index] for index in sorted(found)]

    @cached_property
    def answers(self) -> list[ClassifierLayer]:
        """The classifiers that the net is for: the last on each label (earlier ones serve training only) and those
        that ``lungo.head`` names; in a net without either, all."""
        last = {one.label: one for one in self.classifiers if one.label is not None}
        found = {one.head.index: one for one in self._declared()}
        found.update((one.head.index, one) for one in last.values())
        return [found[index] for index in sorted(found)] or self.classifiers

    def _declared(self) -> Iterator[ClassifierLayer]:
        """The classifiers that ``lungo.head`` names, each with what follows it up to its Softmax."""
        graph = self.graphs.get(TEST) or self.graph
        names = [head.name for head in self.net.lungo.head]
        for one in graph.plan.layers:
            if one.name in names and one.layer.type in HEADS:
                passed, softmax = onward(graph, one.top_values[0])
                yield ClassifierLayer(one, None, (softmax,) if softmax is not None else (), tuple(passed))

    def _open_ends(self) -> Iterator[ClassifierLayer]:
        graph = self.graph
        for value in range(len(graph.plan.values)):
            if value in graph.producer and not graph.consumers(value) and not any(graph.producer[value].loss_weights):
                trail = list(_trail(graph, value))
                if trail and trail[-1].layer.type in HEADS:
                    yield ClassifierLayer(trail[-1], None, (), tuple(reversed(trail[:-1])))

    def heads(self, name: str | None = None) -> list[ClassifierLayer]:
        """The classifier called ``name``; without a name all classifiers on one label. UserError when unclear.

        With several labels it is the label of ``head``, and with one that classifier alone.
        """
        place = Location(str(self.definition.path))
        if name is not None:
            planned = self.find(name, "--head")
            for one in self.classifiers:
                if one.head.index == planned.index:
                    return [one]
            raise UserError(
                f"layer `{planned.name}` ({planned.layer.type}) is not a classifier: its outputs reach no loss, "
                "Accuracy or Softmax without passing another layer with parameters",
                where=self.where(planned.index),
                received=f"--head {name}",
                remedy=f"the classifiers of this net: {', '.join(one.name for one in self.classifiers) or 'none'}",
            )
        if not self.classifiers:
            raise UserError(
                "the net has no classifier: no InnerProduct or Convolution whose outputs reach a SoftmaxWithLoss, an "
                "Accuracy or a Softmax",
                where=place,
                received=f"outputs: {', '.join(self.plan.outputs) or 'none'}",
                remedy='add a layer { type: "InnerProduct" } with one output per class at the end of the net',
            )
        labels = sorted({one.label for one in self.classifiers if one.label is not None})
        if self.head is not None:
            found = self.heads(self.head)
            return [one for one in self.classifiers if one.label == found[0].label] if len(labels) > 1 else found
        if len(labels) > 1:
            raise UserError(
                "the net is trained on more than one label",
                where=place,
                received=f"labels {', '.join(labels)}",
                remedy="name a classifier: --head " + " or --head ".join(shell.word(one.name) for one in self.answers),
            )
        learned = [one for one in self.classifiers if one.label is not None]
        return learned or self.classifiers


_ADD_INPUT = (
    'add a layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 227 dim: 227 } } }'
)


def _add(
    found: dict[int, ClassifierLayer], graph: Graph, end: PlannedLayer, label: str | None, among: set[int] | None = None
) -> None:
    """Note the classifier above ``end``, if there is one (and if it is ``among`` those known, when any are)."""
    trail = list(_trail(graph, end.bottom_values[0]))
    if not trail or trail[-1].layer.type not in HEADS or (among and trail[-1].index not in among):
        return
    head, between = trail[-1], tuple(reversed(trail[:-1]))
    old = found.get(head.index, ClassifierLayer(head, None, (), ()))
    ends = {one.index: one for one in (*old.ends, end)}
    passed = {one.index: one for one in (*old.between, *between)}
    found[head.index] = ClassifierLayer(old.head, old.label or label, tuple(ends.values()), tuple(passed.values()))


def _on_label(graph: Graph, end: PlannedLayer) -> bool:
    """Whether bottom 1 of ``end`` comes from the data."""
    maker = graph.producer.get(end.bottom_values[1]) if len(end.bottoms) > 1 else None
    return maker is not None and maker.layer.source


def _add_numbers(found: dict[int, ClassifierLayer], graph: Graph, end: PlannedLayer) -> None:
    """Note what predicts the numbers that ``end`` compares with the label. The Scale that gives them their unit is its
    first end."""
    read = graph.producer.get(end.bottom_values[0])
    if read is not None and read.layer.type in AFFINE and len(read.bottoms) == 1:
        _add(found, graph, read, end.bottoms[1])
        for head in [one for one in found.values() if read.index in {each.index for each in one.ends}]:
            ends = {one.index: one for one in (*head.ends, end)}
            found[head.head.index] = replace(head, ends=tuple(ends.values()))
    else:
        _add(found, graph, end, end.bottoms[1])


def _leaves(graph: Graph, softmax: PlannedLayer) -> bool:
    """Whether a Softmax is the net's answer rather than a step inside it."""
    readers = graph.consumers(softmax.top_values[0]) if softmax.top_values else []
    return all(one.layer.type in OBSERVING for one in readers)


def onward(graph: Graph, value: int) -> tuple[list[PlannedLayer], PlannedLayer | None]:
    """The layers that only pass ``value`` on, and the Softmax they end in (None: they end elsewhere)."""
    passed: list[PlannedLayer] = []
    while readers := [one for one in graph.consumers(value) if one.layer.type in PASSING and len(one.bottoms) == 1]:
        softmax = next((one for one in readers if one.layer.type == "Softmax"), None)
        if softmax is not None:
            return passed, softmax
        passed.append(readers[0])
        value = readers[0].top_values[0]
    return passed, None


def _trail(graph: Graph, value: int) -> Iterator[PlannedLayer]:
    """The makers of ``value`` upwards, through layers that only pass it on, to the first that does not."""
    while value in graph.producer:
        planned = graph.producer[value]
        yield planned
        if planned.layer.type not in PASSING or not planned.bottom_values:
            return
        value = planned.bottom_values[0]


def free_name(name: str, taken: Container[str], link: str = "") -> str:
    """``name``, with ``link`` and a number behind it if it is in ``taken``."""
    result, count = name, 2
    while result in taken:
        result, count = f"{name}{link}{count}", count + 1
    return result
