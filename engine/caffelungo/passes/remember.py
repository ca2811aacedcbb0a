"""Learning without forgetting: the old classifier stays beside a fresh one, taught by a frozen copy of the old net.

    before:  data -> conv1 ... fc7 -> relu7 -> drop7 -> fc8_pets -> loss           original: ... drop7 -> fc8 -> loss
    after:   data -> conv1 ... fc7 -> relu7 -> drop7 -> fc8_pets -> loss
                                                   `--> fc8 ---------------------------.
             data -> teacher/conv1 ... teacher/fc7 -> teacher/relu7 -> teacher/fc8 -> fc8_remember (DistillationLoss)
             the teacher and the loss are there in TRAIN only; in TEST the old classifier is silent

The old classifier reads what it read, which must still be there: behind grown units it reads the old ones alone. One
that was kept (``--keep-head``: zeros for the new units) is taught as it is. Needs no data of the old task: the teacher
answers for the new pictures. Li and Hoiem 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from caffelungo.bounds import NOT_NEGATIVE, Bounds
from caffelungo.definition.edits import Edit, InsertLayer
from caffelungo.definition.schema import TEST, TRAIN, LayerParameter
from caffelungo.layers.kinds import CLASS_LOSSES
from caffelungo.passes import moves
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.moves import Move
from caffelungo.passes.names import Names
from caffelungo.passes.option_fields import option
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.teacher import PREFIX, Teacher, frozen_copy, needed
from caffelungo.passes.view import ClassifierLayer, Graph, View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted

COMMENT = "The net as it was, frozen: it teaches {head} what it answered (training only)."


@dataclass(frozen=True)
class RememberOptions:
    """``weight`` of the loss, ``temperature``, and which classifier is remembered (None: the last)."""

    weight: float = option("Weight of the loss.", default=1.0, bounds=NOT_NEGATIVE, flag="--remember-weight")
    temperature: float = option(
        "Temperature of the softmax: above 1, small probabilities count more.",
        default=2.0, bounds=Bounds(0, above=True, usual="2"), flag="--temperature",
    )  # fmt: skip
    head: str | None = option("The classifier (default: the last).", default=None)


@dataclass
class Original:
    """The net that is remembered: its view, the classifier, and the value that holds its scores."""

    view: View
    head: PlannedLayer
    scores: int
    axis: int
    between: list[PlannedLayer]
    """The layers between the classifier and its scores (a pooling)."""
    prefix: str

    @property
    def graph(self) -> Graph:
        return self.view.graph


@dataclass
class Remembering:
    """The step. ``look`` is shown the net before anything is rewritten; its weights must be copied before they change,
    so ``first`` comes before all other steps."""

    options: RememberOptions
    original: Original | None = field(default=None, repr=False)
    copies: bool = False

    def look(self, view: View) -> None:
        """Take the net of ``view`` for the one to remember; Refusal when it has no classifier."""
        _check(self.options)
        self.original = original(view, self.options.head)

    def first(self, view: View) -> Rewrite:
        """The moves that copy the original's weights to the teacher's names."""
        if self.original is None:
            self.look(view)
        assert self.original is not None
        self.copies = True
        given = _sources(self.original.graph)
        layers = [one for one in needed(self.original.graph, _ends(self.original), given) if one.params]
        return Rewrite(moves=tuple(_copies([(one.name, self.original.prefix + one.name) for one in layers])))

    def __call__(self, view: View) -> Rewrite:
        if self.original is None:
            self.look(view)
        assert self.original is not None
        done = beside(view, self.original, self.options)
        return Rewrite(done.edits, (), done.notes) if self.copies else done


@register("remember", verb=REWRITE, flag="--remember", order=150, bind=Remembering,
          help="Keep the old classifier by training it to match a frozen copy of the net.")  # fmt: skip
def remember(view: View, options: RememberOptions) -> Rewrite:
    """The rewrite of a net whose classifier is kept: it is taught by a copy of the net as ``view`` shows it.

    Beside a fresh classifier use ``Remembering``, which is shown the net before it got one.
    """
    return Remembering(options)(view)


def _check(options: RememberOptions) -> None:
    for name, value, usual in (
        ("weight", options.weight, "1 is usual"),
        ("temperature", options.temperature, "2 is usual"),
    ):
        if not 0 < value < math.inf:
            raise Refusal(f"the {name} of remembering must be above 0", received=f"{value:g}", remedy=usual)


# --- the original ------------------------------------------------------------------------------------------------


def original(view: View, head: str | None) -> Original:
    """The net of ``view`` as one to remember; Refusal when it is not clear what its scores are."""
    one = sorted(view.heads(head), key=lambda found: found.weight)[-1]
    scores, axis, between = _scores(view, one)
    planned = next((other for other in view.plan.layers if other.index == one.head.index), None)
    if planned is None:
        raise Refusal(
            f"`{one.name}` does not exist in TRAIN", view.where(one.head.index), remedy="remove its include rules first"
        )
    prefix, count = PREFIX, 2
    while any(layer.name.startswith(prefix) for layer in view.net.layer):
        prefix, count = f"{PREFIX.rstrip('/')}{count}/", count + 1
    return Original(view, planned, scores, axis, between, prefix)


def _scores(view: View, one: ClassifierLayer) -> tuple[int, int, list[PlannedLayer]]:
    """Value and class axis of a classifier's scores (what the softmax takes), and the layers on the way to them."""
    graph = view.graph
    ends = [other for other in graph.plan.layers if other.index in {end.index for end in one.ends}]
    ranked = sorted(ends, key=lambda end: (end.layer.type not in CLASS_LOSSES, end.layer.type != "Softmax"))
    axis = int(ranked[0].layer.param.softmax_param.axis) if ranked else 1
    between = [other for other in graph.plan.layers if other.index in {passed.index for passed in one.between}]
    last = between[-1] if between else one.head
    value = ranked[0].bottom_values[0] if ranked else last.top_values[0]
    passed: list[PlannedLayer] = []
    while (maker := graph.producer[value]).index != one.head.index:
        if maker.layer.type == "Softmax":
            axis = int(maker.layer.param.softmax_param.axis)
            passed = []
        else:
            passed.insert(0, maker)
        value = maker.bottom_values[0]
    return (passed[-1].top_values[0] if passed else value), axis, passed


def _ends(old: Original) -> list[PlannedLayer]:
    return [old.graph.producer[old.scores]]


def _sources(graph: Graph) -> dict[int, str]:
    """What every copy shares with its original: the data, and what works on it in place without learning."""
    given = {value: top for one in graph.plan.sources for top, value in zip(one.tops, one.top_values, strict=True)}
    for one in graph.plan.layers:
        if any(one.in_place) and one.bottom_values[0] in given and not one.params:
            given.update(zip(one.top_values, one.tops, strict=True))
    return given


def _copies(copied: list[tuple[str, str]]) -> list[Move]:
    return [moves.copy(old, new) for old, new in copied]


# --- the net that remembers --------------------------------------------------------------------------------------


def beside(view: View, old: Original, options: RememberOptions) -> Rewrite:
    """Old classifier, teacher and loss for the net of ``view``; Refusal when the old classifier cannot stay."""
    _refuse_answering(view)
    alike = unchanged(old.graph, view.graph)
    shared = {value: blob for value, blob in _sources(old.graph).items() if value in alike}
    _refuse_in_place(view, old, shared)
    teacher = frozen_copy(old.view.net.layer, old.graph, _ends(old), shared, old.prefix)
    names, layers, notes = Names(view), list[Any](), list[Note]()
    kept = [one for one in view.plan.layers if one.name == old.head.name]
    if kept:
        student = _kept(view, old, kept[0])
        notes.append(
            Note(f"classifier `{old.head.name}` is trained by the original", view.where(kept[0].index), "it is kept")
        )
    else:
        student = _again(view, old, alike, names, layers)
        notes.append(
            Note(
                f"classifier `{old.head.name}` is kept beside the fresh one",
                old.view.where(old.head.index),
                "it classifies the old classes, without an output in TEST",
            )
        )
    edits: list[Edit] = [InsertLayer(len(view.net.layer), layer) for layer in layers]
    edits += _taught(view, old, teacher, names, student, options)
    if not kept:
        silence = LayerParameter(name=names.take(f"{old.head.name}_silence"), type="Silence", bottom=[student])
        silence.include.add(phase=TEST)
        edits.append(InsertLayer(len(view.net.layer), silence))
    notes.append(
        Note(
            f"{counted(len(teacher.layers), 'layer')} `{old.prefix}*`: the original net, frozen, in TRAIN only",
            None,
            f"its softened answers teach `{old.head.name}`, weight {options.weight:g}, "
            f"temperature {options.temperature:g}",
        )
    )
    return Rewrite(tuple(edits), tuple(_copies(teacher.copied)), tuple(notes))


def _taught(
    view: View, old: Original, teacher: Teacher, names: Names, student: str, options: RememberOptions
) -> list[Edit]:
    """The teacher and the loss, at the end of the file and in TRAIN only."""
    loss = LayerParameter(name=names.take(f"{old.head.name}_remember"), type="DistillationLoss")
    loss.bottom.extend([student, teacher.blobs[old.scores]])
    loss.top.append(loss.name)
    loss.loss_weight.append(options.weight)
    loss.lungo.temperature = options.temperature
    if old.axis != 1:
        loss.softmax_param.axis = old.axis
    edits: list[Edit] = []
    for k, layer in enumerate([*teacher.layers, loss]):
        layer.include.add(phase=TRAIN)
        comment = COMMENT.format(head=old.head.name) if k == 0 else None
        edits.append(InsertLayer(len(view.net.layer), layer, comment))
    return edits


def _refuse_answering(view: View) -> None:
    if view.deploy_only:
        raise Refusal(
            "the net has no loss, so nothing in it can be trained",
            view.where(len(view.net.layer) - 1),
            remedy="use the train_val net; `lungo finetune` makes one from a net that answers",
        )


def _refuse_in_place(view: View, old: Original, shared: Mapping[int, str]) -> None:
    """The teacher reads the data as it is; what learns must not work on it in place."""
    given = _sources(old.graph)
    for one in needed(old.graph, _ends(old), given):
        for value in one.bottom_values:
            if value in given and value not in shared:
                raise Refusal(
                    f"the net no longer has `{old.graph.plan.values[value].blob}`, which the original reads",
                    old.view.where(one.index),
                    remedy="put remember before the step that rewrites it",
                )
            if value in shared and any(one.in_place):
                raise Refusal(
                    f"`{one.name}` works in place on the data and learns, so it would change what the teacher reads",
                    old.view.where(one.index),
                    remedy=f"give `{one.name}` another top",
                )


def _kept(view: View, old: Original, head: PlannedLayer) -> str:
    """The blob of the scores of a classifier that is still there under its name."""
    found = next((one for one in view.classifiers if one.head.index == head.index), None)
    if found is None or found.classes != int(old.head.layer.options.num_output):
        raise Refusal(
            f"`{old.head.name}` is not the classifier it was",
            view.where(head.index),
            remedy="give a fresh classifier another name: --suffix",
        )
    scores, _, _ = _scores(view, found)
    return _last(view, scores)


def _again(view: View, old: Original, alike: Mapping[int, int], names: Names, layers: list[Any]) -> str:
    """The old classifier once more, reading what it read; ``layers`` gets it and the layers around it."""
    blobs: dict[int, str] = {}

    def read(value: int) -> str:
        if value in alike:
            return _last(view, alike[value])
        if value not in blobs:
            maker = old.graph.producer[value]
            if maker.params or maker.layer.source or len(maker.tops) != 1:
                raise Refusal(
                    f"`{old.head.name}` cannot be kept: `{maker.name}` no longer has the same input",
                    old.view.where(maker.index),
                    received=", ".join(f"`{blob}`" for blob in maker.bottoms) + " changed",
                    remedy="remember right after the fresh classifier, before other layers are rewritten",
                )
            layers.append(_copied(old, maker, names, [read(bottom) for bottom in maker.bottom_values]))
            blobs[value] = layers[-1].top[0]
        return blobs[value]

    head = LayerParameter()
    head.CopyFrom(old.view.net.layer[old.head.index])
    head.bottom[:] = [read(value) for value in old.head.bottom_values]
    head.top[:] = [names.take(old.head.tops[0])]
    for name in ("include", "exclude", "phase", "blobs"):
        head.ClearField(name)
    layers.append(head)
    for one in old.between:
        layers.append(_copied(old, one, names, [layers[-1].top[0]]))
    return str(layers[-1].top[0])


def _copied(old: Original, one: PlannedLayer, names: Names, bottoms: list[str]) -> Any:
    layer = LayerParameter()
    layer.CopyFrom(old.view.net.layer[one.index])
    for name in ("include", "exclude", "phase"):
        layer.ClearField(name)
    layer.name = names.take(f"{one.name}_old")
    layer.bottom[:], layer.top[:] = bottoms, [layer.name]
    return layer


def _last(view: View, value: int) -> str:
    """The blob of ``value``, which no later layer may have overwritten."""
    blob = view.plan.values[value].blob
    if view.plan.value_of(blob) != value:
        later = view.graph.consumers(value)[-1]
        raise Refusal(
            f"`{later.name}` overwrites `{blob}` in place, which the old classifier reads",
            view.where(later.index),
            remedy=f"give `{later.name}` another top",
        )
    return blob


def unchanged(old: Graph, new: Graph) -> dict[int, int]:
    """The values of ``old`` that are computed alike in ``new``, from the same layers with the same inputs."""
    found = {one.name: one for one in reversed(new.plan.layers)}
    given = {top: value for one in new.plan.sources for top, value in zip(one.tops, one.top_values, strict=True)}
    result: dict[int, int] = {}
    for one in old.plan.layers:
        other = found.get(one.name)
        if one.layer.source:
            result.update({v: given[top] for top, v in zip(one.tops, one.top_values, strict=True) if top in given})
        elif (
            other is not None
            and [result.get(value) for value in one.bottom_values] == list(other.bottom_values)
            and _formula(one) == _formula(other)
            and len(one.tops) == len(other.tops)
        ):
            result.update(zip(one.top_values, other.top_values, strict=True))
    return result


def _formula(one: PlannedLayer) -> bytes:
    """What a layer computes from its bottoms, whatever it is called, how fast it learns, and in which phase it is."""
    layer = LayerParameter()
    layer.CopyFrom(one.layer.param)
    for name in ("bottom", "top", "param", "include", "exclude", "phase", "propagate_down", "loss_weight", "blobs"):
        layer.ClearField(name)
    if layer.HasField("batch_norm_param"):
        layer.batch_norm_param.ClearField("use_global_stats")
    return bytes(layer.SerializeToString(deterministic=True))
