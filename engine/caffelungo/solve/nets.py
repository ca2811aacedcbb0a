"""From a solver file to the nets it names, and from a net file in one state to a plan with its data opened.

Caffe: Solver::InitTrainNet, Solver::InitTestNets. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from caffelungo import files
from caffelungo.data import label_uses, mixed_readers
from caffelungo.data.label_uses import Looked
from caffelungo.data.source import DataSource, places
from caffelungo.data.sources import open_source
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST, TRAIN, message_class
from caffelungo.definition.template import meant_for
from caffelungo.definition.upgrade import upgrade_net
from caffelungo.errors import Problem, UserError
from caffelungo.layers.base import Shape
from caffelungo.plan import memory_limits
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.plan.read_net import read_net
from caffelungo.solve.net_text import NetText
from caffelungo.solve.tested_head import judged_head
from caffelungo.solve.validate import count_test_nets
from caffelungo.weights.task_heads import heads_of


@dataclass(frozen=True)
class TestSpec:
    """One test net of a solver: its state and how many batches make one test (None: the whole set once)."""

    text: NetText
    state: Any
    iterations: int | None

    __test__ = False


@dataclass
class OpenedNet:
    """A net in one state with its data: ``sources`` in the order of ``plan.sources``.

    ``counted`` are the losses that have their ``class_count`` from the data, by layer (``class_counts``).
    """

    text: NetText
    plan: Plan
    sources: list[DataSource] = field(default_factory=list)
    counted: frozenset[str] = frozenset()

    @cached_property
    def labels(self) -> list[Looked]:
        """What each layer that reads class numbers sees in the data, all of which are read once for it."""
        return label_uses.look(self.plan, {source.name: source for source in self.sources})

    @property
    def batch_size(self) -> int:
        """Samples of one batch: the first axis of the first source's first top (1 when there is none)."""
        for planned in self.plan.sources:
            if planned.top_shapes and planned.top_shapes[0]:
                return int(planned.top_shapes[0][0] or 1)
        return 1


def from_definition(definition: Definition, origin: str = "net file") -> NetText:
    """The net of a file."""
    path = Path(definition.path) if definition.path else None
    return NetText(definition.message, path, definition.where, f"{origin}: {definition.path}", tuple(definition.notes))


def elsewhere(text: NetText, state: Any, data: str | Path) -> NetText:
    """``text`` with the ImageData layers of ``state`` reading the list or folder ``data`` instead of theirs."""
    message = type(text.message)()
    message.CopyFrom(text.message)
    found = False
    for layer in message.layer:
        if layer.type == "ImageData" and included(layer, state):
            layer.image_data_param.source = str(Path(data).absolute())
            layer.image_data_param.ClearField("root_folder")
            found = True
    if not found:
        raise UserError(
            "only a net that reads pictures (ImageData) can be tested on others",
            where=text.where(),
            received=f"--data {data}",
            remedy="make the TEST phase's data layer an ImageData layer, or remove --data",
        )
    return replace(text, message=message)


def train_net(solver: Definition, variables: Mapping[str, str] | None = None) -> NetText:
    """The train net that ``solver`` names."""
    message = solver.message
    if message.HasField("train_net_param"):
        return _inline(solver, message.train_net_param, ("train_net_param",), "train_net_param.")
    if message.HasField("net_param"):
        return _inline(solver, message.net_param, ("net_param",), "net_param.")
    name = "train_net" if message.HasField("train_net") else "net"
    origin = "train_net file" if name == "train_net" else "net file"
    return _file(solver, getattr(message, name), (name,), origin, variables)


def test_nets(solver: Definition, variables: Mapping[str, str] | None = None) -> list[TestSpec]:
    """The test nets that ``solver`` names, in Caffe's order: test_net_param, test_net, then the shared net."""
    message = solver.message
    count = count_test_nets(message)
    texts = [
        _inline(solver, param, ("test_net_param", i), "test_net_param")
        for i, param in enumerate(message.test_net_param)
    ]
    for i, path in enumerate(message.test_net):
        texts.append(_file(solver, path, ("test_net", i), "test_net file", variables))
    if len(texts) < count:
        if message.HasField("net_param"):
            shared = _inline(solver, message.net_param, ("net_param",), "net_param")
        else:
            shared = _file(solver, message.net, ("net",), "net file", variables)
        texts += [shared] * (count - len(texts))
    return [
        TestSpec(
            text,
            net_state(text.message, TEST, solver_state=message.test_state[i] if message.test_state else None),
            message.test_iter[i] if message.test_iter else None,
        )
        for i, text in enumerate(texts)
    ]


def _inline(solver: Definition, message: Any, path: tuple[str | int, ...], origin: str) -> NetText:
    net = type(message)()
    net.CopyFrom(message)
    upgrade_net(net)
    return NetText(net, Path(solver.path) if solver.path else None, lambda *rest: solver.where(*path, *rest), origin)


def _file(
    solver: Definition, path: str, place: tuple[str | int, ...], origin: str, variables: Mapping[str, str] | None
) -> NetText:
    found = files.find(path, solver.path, what="net file", where=solver.where(*place))
    definition = read_net(found, meant_for(found, variables or {}, solver.path) or None)
    return NetText(definition.message, found, definition.where, f"{origin}: {path}", tuple(definition.notes))


def open_net_with_data(
    text: NetText,
    state: Any,
    *,
    seed: int = 0,
    once: bool = False,
    caffe: bool = False,
    shuffle: bool | None = None,
) -> OpenedNet:
    """Plan ``text`` in ``state`` with its data opened; UserError with everything wrong in it.

    Sources without data (Input) are in the plan with the shapes of the file and without a Source.
    """
    problems: list[Problem] = []
    sources: list[DataSource] = []
    shapes: dict[str, Sequence[Shape]] = {}
    written = build_plan(text.message, state, where=text.where, problems=[])
    for planned in written.sources:
        if planned.layer.type == "Input":
            continue
        try:
            source = open_source(
                planned, int(state.phase), beside=text.path, seed=seed, shuffle=shuffle, once=once, caffe=caffe,
                where=text.where("layer", planned.index), places=places(planned, text.where),
            )  # fmt: skip
        except UserError as error:
            problems += error.problems
            continue
        sources.append(source)
        shapes[planned.name] = source.shapes
    if unfit := list(mixed_readers.problems(written, sources, text.where)):
        problems += unfit
        shapes = {name: mixed_readers.unmixed(found) for name, found in shapes.items()}
    plan = build_plan(text.message, state, where=text.where, sources=shapes, problems=problems)
    problems += memory_limits.problems(plan, text.where)
    if problems:
        raise UserError(list(dict.fromkeys(problems)))
    return OpenedNet(text, plan, sources)


def input_without_data(text: NetText, plan: Plan) -> UserError | None:
    """What to say when a net is to be trained or tested but its data comes from an Input layer; None when it is not."""
    for planned in plan.sources:
        if planned.layer.type == "Input":
            return UserError(
                f"layer `{planned.name}` is an Input, which holds no data to train or test on",
                where=text.where("layer", planned.index),
                received='type: "Input"',
                remedy="use a train_val net with a data layer; `lungo finetune` writes one from a deploy net",
            )
    if not plan.sources:
        return UserError(
            "the net has no data layer in this phase",
            where=text.where(),
            received=f"phase {'TEST' if plan.phase == TEST else 'TRAIN'}",
            remedy="add a data layer, or correct its include/exclude rules",
        )
    return None


def train_state(text: NetText, solver: Any, level: int = 0, stages: Sequence[str] = ()) -> Any:
    """The NetState of the train net: phase TRAIN, the net's state, train_state, and the flags."""
    return net_state(text.message, TRAIN, level, stages, solver.train_state)


def filtered(opened: OpenedNet) -> Any:
    """The NetParameter of ``opened`` with the layers of its state only, as Caffe writes it into a caffemodel."""
    net = type(opened.text.message)()
    net.CopyFrom(opened.text.message)
    del net.layer[:]
    for layer in opened.text.message.layer:
        if included(layer, opened.plan.state):
            net.layer.add().CopyFrom(layer)
            net.layer[-1].phase = opened.plan.phase
    return net


def shared_blobs(plan: Plan) -> frozenset[tuple[str, int]]:
    """(layer name, blob index) of the blobs that another layer owns."""
    return frozenset(
        (planned.name, position)
        for planned in plan.layers
        for position, use in enumerate(planned.params)
        if not use.owner
    )


def extras(opened: OpenedNet, loaded: Any = None) -> Any:
    """The lungo.NetExtras that weights of ``opened`` carry: the preprocessing of its data, and the class names.

    ``loaded`` are those of the weights the training began with, for what the net and its data leave open.
    """
    result = message_class("lungo.NetExtras")()
    if loaded is not None:
        result.CopyFrom(loaded)
    for source in opened.sources:
        if source.record is not None:
            result.preprocessing.CopyFrom(source.record)
            break
    own = opened.text.message.lungo
    if own.HasField("preprocessing"):
        result.preprocessing.CopyFrom(own.preprocessing)
    labels = names_of_classes(opened, loaded)
    del result.label[:]
    result.label.extend(labels)
    del result.threshold[:]  # those of other weights than are trained here
    del result.number[:]
    result.number.extend(type(one).FromString(one.SerializeToString()) for one in own.number)
    found = heads_of(own, loaded, layers=[one.name for one in opened.plan.layers])
    heads = [type(head).FromString(head.SerializeToString()) for head in found.values()]
    del result.head[:]
    result.head.extend(heads)
    return result if result.ByteSize() else None


def names_of_classes(opened: OpenedNet, loaded: Any = None, head: str | None = None) -> list[str]:
    """Class names: the net's own, else the data's, else those of the weights' ``loaded`` extras; or none.

    Of a net with several heads they are those of ``head``, or of the one that the data's label is for.
    """
    own = opened.text.message.lungo
    head = head or judged_head(opened.plan)
    heads = heads_of(own, layers=[head] if head else ())
    known = list(own.label) or [label for one in heads.values() for label in one.label]
    known = known or next((names for source in opened.sources if (names := class_names(source))), [])
    if known or loaded is None:
        return known
    if len(loaded.head):
        return [label for one in heads_of(loaded, layers=[head] if head else ()).values() for label in one.label]
    return list(loaded.label)


def class_names(source: DataSource) -> list[str]:
    """The names of the classes, where the source knows them (a folder of classes, or a list beside a labels.txt)."""
    pictures = getattr(source, "pictures", None)
    return list(getattr(pictures, "classes", None) or [])
