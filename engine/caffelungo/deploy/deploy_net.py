"""The deployed net: the TEST phase without data, labels, losses and metrics, with the classifier's softmax.

    data -> ... -> fc8 -> SoftmaxWithLoss          Input -> ... -> fc8 -> Softmax (prob)
    data ->  label ---^     Accuracy         =>

A deploy definition passes through unchanged but for layers that only feed what is dropped. Classifiers that the net
names in `lungo { head }` answer although no loss is on them. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo import shell
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST, TRAIN, LayerParameter
from caffelungo.errors import Problem, UserError
from caffelungo.layers import registry
from caffelungo.layers.base import Shape, shape_text
from caffelungo.layers.kinds import ANSWERED, ANSWERING, HEADS, MEASURING, PASSING, answer_of
from caffelungo.passes.names import PROB, answer_name
from caffelungo.passes.view import Graph, free_name
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan


@dataclass(frozen=True)
class Answer:
    """An output with one probability per class: its blob, the number of classes, the classifier's layer."""

    blob: str
    classes: int
    layer: str


@dataclass
class DeployNet:
    """A net without data and losses. ``plan`` is its plan, ``inputs`` its input blobs with shapes.

    ``wanted`` are the output blobs that were asked for; none: those that no layer reads.
    """

    message: Any
    plan: Plan
    inputs: dict[str, tuple[int, ...]]
    notes: list[str] = field(default_factory=list)
    wanted: tuple[str, ...] = ()

    @property
    def outputs(self) -> list[str]:
        """The output blobs, in the order in which the file makes them."""
        made = [top for planned in self.plan.layers for top in planned.tops]
        return [blob for blob in dict.fromkeys(made) if blob in (self.wanted or self.plan.outputs)]

    @property
    def answers(self) -> list[Answer]:
        """The outputs that hold one probability per class, in the order of the file."""
        return self._answering("Softmax")

    @property
    def labelled(self) -> Answer | None:
        """The output that holds a probability for each of several labels by itself; None where there is not one such,
        or the net tells classes."""
        found = self._answering("Sigmoid")
        return found[0] if len(found) == 1 and not self.answers else None

    def _answering(self, kind: str) -> list[Answer]:
        """The outputs of ``kind`` that hold the probabilities of a classifier's outputs."""
        made: dict[int, str] = {}
        found = []
        for planned in self.plan.layers:
            if planned.layer.type in HEADS:
                made[planned.top_values[0]] = planned.name
            elif planned.layer.type in PASSING and planned.bottom_values[0] in made:
                made[planned.top_values[0]] = made[planned.bottom_values[0]]
            shape = planned.top_shapes[0] if planned.tops else None
            if (
                planned.layer.type == kind and planned.tops[0] in self.outputs and shape is not None
                and (kind == "Softmax" or planned.top_values[0] in made)
                and len(shape) in (2, 4) and all(n == 1 for n in shape[2:]) and shape[1] is not None
            ):  # fmt: skip
                found.append(Answer(planned.tops[0], shape[1], made.get(planned.top_values[0], planned.name)))
        return found

    @property
    def classes(self) -> tuple[str, int] | None:
        """The blob that holds one probability per class, and the number of classes; None when there is not one such."""
        found = self.answers
        return (found[0].blob, found[0].classes) if len(found) == 1 else None


def deploy_net(
    definition: Definition,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    sources: Mapping[str, Sequence[Shape]] | None = None,
    outputs: Sequence[str] = (),
    batch: int = 1,
) -> DeployNet:
    """The deployed form of ``definition``.

    ``shapes`` gives input blobs' shapes without the batch (``{"data": (3, 227, 227)}``) where the file leaves them
    open; ``sources`` gives whole tops' shapes by data layer, as ``build_plan`` takes them. ``outputs`` are the blobs
    that must come out (none: those of the losses, and all that no layer reads); ``batch`` is the inputs' first size.
    Raises UserError: mistakes of the net, no layer that is left, an input whose size nothing tells.
    """
    net = definition.message
    state = net_state(net, TEST)
    _check_shapes(net, shapes or {})
    whole = build_plan(net, state, where=definition.where, sources=sources)
    layers = [copied(layer) for layer in net.layer if included(layer, state)]
    heads, dropped, notes = _heads(net, layers, whole)
    if outputs:
        heads, notes = dict.fromkeys(outputs), []
    kept = _needed(layers, dropped, heads, whole)
    message = type(net)(name=net.name)
    inputs: dict[str, tuple[int, ...]] = {}
    problems: list[Problem] = []
    for layer in layers:
        cls = registry.find(layer.type)
        if cls is not None and cls.source:
            for top in layer.top:
                if any(top in other.bottom for other in kept) and top not in inputs:
                    size = _input_shape(top, layer, whole, shapes or {}, definition, problems)
                    inputs[top] = (batch, *size)
                    others = {other.name for other in (*kept, *message.layer) if other is not layer}
                    message.layer.append(_input(top, inputs[top], layer, others))
        elif layer in kept:
            message.layer.append(layer)
    if problems:
        raise UserError(problems)
    notes += _answer(message, heads, kept, whole)
    if not any(layer.bottom for layer in message.layer):
        raise UserError(
            "nothing to export: no layer leads to an output",
            where=definition.where(),
            received=f"phase TEST has the layers {', '.join(layer.name for layer in layers) or '(none)'}",
            remedy="include the layers from the input to the classifier in phase TEST",
        )
    return DeployNet(message, build_plan(message, net_state(message, TEST)), inputs, notes, tuple(outputs))


def _answer(message: Any, heads: Mapping[str, Any], kept: Sequence[Any], whole: Plan) -> list[str]:
    """Give ``message`` a layer of probabilities for each loss that takes scores; notes for the user."""
    notes = []
    several = _probabilities(heads, kept) > 1
    for blob, loss in heads.items():
        if loss is None or loss.type not in ANSWERED:
            continue
        added = _output_layer(blob, loss, message, answer_name(_classifier(whole, blob), several))
        if added is None:
            continue
        message.layer.append(added)
        if not several and added.name != PROB and any(PROB in (one.name, *one.top) for one in kept):
            notes.append(f"`{PROB}` is used in the net, so the probabilities are called `{added.name}`")
    return notes


def parse_shapes(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """``data:3x227x227`` as a blob and its shape without the batch, one for each text; UserError for other forms."""
    shapes = {}
    for text in texts:
        blob, _, sizes = text.rpartition(":")
        parts = sizes.split("x")
        if not blob or not all(part.isdecimal() for part in parts):
            raise UserError(
                "--shape takes a blob and its sizes without the batch", received=text, remedy="write data:3x227x227"
            )
        shapes[blob] = tuple(int(part) for part in parts)
    return shapes


def copied(layer: Any) -> Any:
    """A copy of ``layer`` without what belongs to training: phases, loss weights."""
    copy = LayerParameter()
    copy.CopyFrom(layer)
    for name in ("include", "exclude", "loss_weight", "phase", "blobs"):
        copy.ClearField(name)
    return copy


def _is_loss(layer: Any) -> bool:
    cls = registry.find(layer.type)
    return bool(cls is not None and cls.loss) or any(layer.loss_weight)


def _measures(layer: Any) -> bool:
    return _is_loss(layer) or layer.type in MEASURING


def _heads(net: Any, layers: list[Any], plan: Plan) -> tuple[dict[str, Any], set[str], list[str]]:
    """What must come out: blob -> the loss on it (None for a plain output); names of dropped layers; notes."""
    state = plan.state
    dropped = {layer.name for layer in net.layer if included(layer, state) and _measures(layer)}
    made = set(plan.blobs)
    losses: dict[str, Any] = {}
    weights: dict[str, float] = {}
    train = net_state(net, TRAIN)
    for layer in net.layer:
        if not _is_loss(layer) or not (included(layer, state) or included(layer, train)):
            continue
        if layer.type == "DistillationLoss":
            continue  # A classifier that is only remembered is no answer.
        cls = registry.find(layer.type)
        labels = cls.labels if cls is not None else ()
        for index, blob in enumerate(_wholes(layer.bottom, plan)):
            if index not in labels and blob in made and not _from_source(blob, plan):
                losses.setdefault(blob, layer)
                weights[blob] = max(weights.get(blob, 0.0), layer.loss_weight[0] if layer.loss_weight else 1.0)
    notes = []
    softmaxed: dict[str, list[str]] = {}
    for blob, layer in losses.items():
        if layer.type == "SoftmaxWithLoss":
            softmaxed.setdefault(layer.bottom[1] if len(layer.bottom) > 1 else "", []).append(blob)
    for blobs in softmaxed.values():  # those on one label; another label is another task
        best = max(weights[blob] for blob in blobs)
        for blob in blobs:
            if weights[blob] < best:
                notes.append(f"classifier `{blob}` is dropped: its loss has weight {weights[blob]:g}, not {best:g}")
                del losses[blob]
    by_measures = {blob for layer in net.layer if layer.name in dropped for blob in layer.top}
    plain = [blob for blob in plan.outputs if blob not in by_measures and not _from_source(blob, plan)]
    plain += _named_answers(net, plan)
    heads: dict[str, Any] = dict.fromkeys(plain)
    heads.update(losses)
    return heads, dropped, notes


def _wholes(blobs: Sequence[str], plan: Plan) -> list[str]:
    """``blobs``, and in the place of parts of a batch (of pairs) what they are parts of."""
    graph = Graph(plan)
    return [plan.values[graph.whole(plan.value_of(blob))].blob if blob in plan.blobs else blob for blob in blobs]


def _named_answers(net: Any, plan: Plan) -> list[str]:
    """What a Silence reads of the classifiers that ``lungo.head`` names: training does not print it, and it counts."""
    names = {head.name for head in net.lungo.head}
    made: set[int] = set()
    found: dict[str, None] = {}
    for planned in plan.layers:
        if planned.name in names or (planned.layer.type in PASSING and planned.bottom_values[0] in made):
            made.update(planned.top_values)
        elif planned.layer.type == "Silence":
            silenced = zip(planned.bottoms, planned.bottom_values, strict=True)
            found.update((blob, None) for blob, value in silenced if value in made)
    return list(found)


def _check_shapes(net: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    tops = [top for layer in net.layer if (cls := registry.find(layer.type)) and cls.source for top in layer.top]
    for blob, shape in shapes.items():
        if blob not in tops or not shape or any(size < 1 for size in shape):
            raise UserError(
                f"--shape names `{blob}`, which is not an input of the net" if blob not in tops
                else f"the shape given for input `{blob}` has no size",
                received=f"{blob}:{shape_text(tuple(shape))}",
                remedy=f"name one of {', '.join(dict.fromkeys(tops))}, with sizes from 1, as data:3x227x227",
            )  # fmt: skip


def _from_source(blob: str, plan: Plan) -> bool:
    return any(blob in planned.tops for planned in plan.sources)


def _needed(layers: list[Any], dropped: set[str], heads: Mapping[str, Any], plan: Plan) -> list[Any]:
    """The layers that lead to ``heads``, in order."""
    wanted = set(heads)
    kept = []
    for layer in reversed(layers):
        if layer.name not in dropped and wanted.intersection(layer.top):
            kept.append(layer)
            wanted.update(layer.bottom)
    return kept[::-1]


def _probabilities(heads: Mapping[str, Any], kept: Sequence[Any]) -> int:
    """How many of the outputs ``heads`` hold probabilities, or get a layer that makes them."""
    made = {top for layer in kept if layer.type in ANSWERING for top in layer.top}
    return sum(blob in made if loss is None else loss.type in ANSWERED for blob, loss in heads.items())


def _classifier(plan: Plan, blob: str) -> str:
    """The layer whose scores ``blob`` holds; the blob where it comes from something else than one classifier."""
    found = Graph(plan).head_of(plan.value_of(blob))
    return found.name if found is not None else blob


def _output_layer(blob: str, loss: Any, message: Any, name: str) -> Any:
    kind = str(answer_of(loss.type))
    if any(layer.type == kind and blob in layer.bottom for layer in message.layer):
        return None
    taken = {layer.name for layer in message.layer} | {top for layer in message.layer for top in layer.top}
    plain = (name, f"{blob}_prob", f"{loss.name}_prob", f"{blob}_probability")
    name = next((name for name in plain if name not in taken), None) or free_name(plain[-1], taken, "_")
    added = LayerParameter(name=name, type=kind, bottom=[blob], top=[name])
    if kind == "Softmax" and loss.HasField("softmax_param"):
        added.softmax_param.CopyFrom(loss.softmax_param)
    return added


def _input(top: str, shape: tuple[int, ...], layer: Any, others: set[str]) -> Any:
    """An Input of ``top`` in the place of the data layer ``layer``, called as none of the layers ``others``."""
    name = free_name(layer.name if len(layer.top) == 1 else top, others, "_")
    result = LayerParameter(name=name, type="Input", top=[top])
    result.input_param.shape.add().dim.extend(shape)
    return result


def unsized_inputs(definition: Definition, shapes: Mapping[str, Sequence[int]]) -> list[Problem]:
    """A problem for each input of unknown size, also of a net that does not fit together."""
    net = definition.message
    state = net_state(net, TEST)
    whole = build_plan(net, state, problems=[])
    layers = [layer for layer in net.layer if included(layer, state)]
    read = {blob for layer in layers if not _measures(layer) for blob in layer.bottom}
    problems: list[Problem] = []
    for planned in whole.sources:
        for top in planned.tops:
            if top in read:
                _input_shape(top, net.layer[planned.index], whole, shapes, definition, problems)
    return problems


def _input_shape(
    top: str,
    layer: Any,
    plan: Plan,
    shapes: Mapping[str, Sequence[int]],
    definition: Definition,
    problems: list[Problem],
) -> tuple[int, ...]:
    # Two data layers may bear one name, as Caffe allows.
    planned = next(one for one in plan.layers if one.name == layer.name and top in one.tops)
    known = planned.top_shapes[list(planned.tops).index(top)]
    given = shapes.get(top)
    if given is not None:
        return tuple(int(size) for size in given)
    if known is None or len(known) < 2 or any(size is None for size in known[1:]):
        problems.append(
            Problem(
                f"the size of input `{top}` is unknown: layer `{layer.name}` ({layer.type}) takes it from its data",
                definition.where("layer", planned.index),
                shape_text(known),
                f"set it, without the batch: --shape {shell.word(f'{top}:3x227x227')}",
            )
        )
        return ()
    return tuple(int(size) for size in known[1:] if size is not None)
