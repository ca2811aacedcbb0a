"""A further task on a trained net: a new classifier beside the old ones, on a trunk that is held fixed.

    before:  data -> conv1 ... fc7 -> fc8 -> loss, accuracy                 or: Input -> ... -> fc8 -> prob
    after:   ImageData -> conv1 ... fc7 -> fc8 -> prob ------------------.
                                      `--> fc8_birds -> prob_birds ------- answers (Silence)
                                                   `--> loss, accuracy
             lungo { head { name: "fc8" ... } head { name: "fc8_birds" task: "birds" label: "wren" ... } }

All that was there has lr_mult 0 and stored statistics, and is computed by separate operations, so the old answers
stay what they were, to the bit. No loss is on the old classifiers, since their labels are not in the new data;
``lungo.head`` names them as answers of the net. New units (``widen``) and earlier layers (``reads``) are read by the
new classifier alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo import shell
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, InsertLayer, SetField
from caffelungo.definition.schema import TEST, FillerParameter, LayerParameter, message_class
from caffelungo.layers.kinds import NONLINEAR, PASSING, PROBABILITIES
from caffelungo.passes import new_units, parallel_units, unit_places
from caffelungo.passes.base import Note, Refusal, Rewrite, Step, step
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.freeze import hold
from caffelungo.passes.names import Names, answer_name, root
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.param_blocks import OLD, give_rates, head_filler, options_field, weak, weighted_blobs
from caffelungo.passes.picture_data import picture_layers
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.view import ClassifierLayer, View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted

SILENCE = "answers"
"""The layer that reads what the net answers, so that training does not print it."""


@dataclass(frozen=True)
class KnownTask:
    """What is known of an old classifier: the name of its task and its classes' names, in order (none: unknown)."""

    task: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskOptions:
    """The new task: its ``name``, its classes' names and, in ``data``, its lists and sizes as ``finetune`` takes them.

    ``head`` is the classifier that the new one is modelled on (None: the last). ``widen``: new units beside a layer,
    ``reads``: earlier layers; both are read by the new classifier alone. ``known``: the old classifiers by layer name.
    """

    name: str
    labels: tuple[str, ...]
    data: FinetuneOptions
    head: str | None = None
    widen: tuple[str, UnitOptions] | None = None
    reads: tuple[str, ...] = ()
    known: dict[str, KnownTask] = field(default_factory=dict)


def task_steps(options: TaskOptions) -> list[Step]:
    """The passes that add the task, in order: keep the old, add the new, read earlier layers, name all classifiers."""
    steps = [step(keep, options), step(add, options)]
    if options.reads:
        steps.append(_Reading(options.reads))
    return [*steps, step(declare, options)]


@dataclass(frozen=True)
class _Reading:
    """``read`` for the classifier that learns, whatever ``add`` called it."""

    layers: tuple[str, ...]

    def __call__(self, view: View) -> Rewrite:
        return read(view, ReadOptions(self.layers, head=view.heads()[-1].name))


# --- what was there ----------------------------------------------------------------------------------------------


def keep(view: View, options: TaskOptions) -> Rewrite:
    """The old classifiers with all they depend on, held fixed, and a Softmax on each whose loss took one; nothing else.

    Raises Refusal for a net without a classifier, and for a task whose name is taken.
    """
    if not view.answers:
        view.heads()  # says what is missing
    _refuse_known(view, options)
    needed: dict[int, PlannedLayer] = {}
    edits: list[Edit] = []
    notes: list[Note] = []
    for one in view.answers:
        edits += _softmax(view, one)
        for graph in view.graphs.values():
            here = {layer.index: layer for layer in graph.plan.layers}
            ends = [here[end.index] for end in one.ends if end.layer.type == "Softmax" and end.index in here]
            own = [here[layer.index] for layer in (one.head, *one.between) if layer.index in here]
            needed.update((layer.index, layer) for layer in graph.upstream([*own, *ends]))
        notes.append(
            Note(f"classifier `{one.name}` is unchanged", view.where(one.head.index), "it belongs to its own task")
        )
    held = {index: one for index, one in needed.items() if not one.layer.source}
    frozen = hold(view, held, dict.fromkeys(held, "the old answers depend on it"))
    for index, layer in enumerate(view.net.layer):
        if index not in needed and not _gives_data(view, index):
            edits.append(DeleteLayer(index))
            if layer.type != "Silence":
                why = "only the earlier training needs it"
                notes.append(Note(f"`{layer.name}` ({layer.type}) removed", view.where(index), why))
        elif layer.type == "Softmax":
            edits += [ClearField(("layer", index, n)) for n in ("include", "exclude") if len(getattr(layer, n))]
    many = sum(bool(one.params) for one in held.values())
    frozen_note = Note(f"{counted(many, 'old layer')} with weights frozen", None, "lr_mult 0, stored statistics")
    heads = {head.name: k for k, head in enumerate(view.net.lungo.head)}
    for one in view.answers:
        if one.name not in heads:
            edits.append(SetField(("lungo", "head", len(heads)), _head(one.name, options.known.get(one.name))))
            heads[one.name] = len(heads)
    if len(view.net.lungo.label):
        edits.append(ClearField(("lungo", "label")))
    return Rewrite((*frozen.edits, *edits), (), (*notes, frozen_note))


def _refuse_known(view: View, options: TaskOptions) -> None:
    known = {head.task for head in view.net.lungo.head} | {one.task for one in options.known.values()}
    if options.name in known:
        raise Refusal(
            f"the net already has a task called `{options.name}`",
            view.where(view.answers[-1].head.index),
            received=", ".join(sorted(known)),
            remedy="give the new one another name: --name",
        )


def _gives_data(view: View, index: int) -> bool:
    return any(one.index == index for graph in view.graphs.values() for one in graph.plan.sources)


def _softmax(view: View, one: ClassifierLayer) -> list[Edit]:
    """The Softmax that the loss on ``one`` took, as a layer, where there is none."""
    loss = next((end for end in one.ends if end.layer.type in PROBABILITIES), None)
    passed = [*one.between, *one.ends]
    if loss is None or any(layer.layer.type == "Softmax" for layer in passed):
        return []
    name = view.free("prob")
    if name != "prob":
        name = view.free(answer_name(one.name, several=True))
    layer = LayerParameter(name=name, type="Softmax", bottom=[loss.bottoms[0]], top=[name])
    if loss.layer.param.softmax_param.HasField("axis"):
        layer.softmax_param.axis = loss.layer.param.softmax_param.axis
    return [InsertLayer(loss.index, layer)]


def _head(name: str, known: KnownTask | None) -> Any:
    entry = known or KnownTask(name)
    return message_class("lungo.TaskHead")(name=name, task=entry.task, label=entry.labels)


# --- what is new -------------------------------------------------------------------------------------------------


def add(view: View, options: TaskOptions) -> Rewrite:
    """The new classifier with its loss and its data, beside those that ``keep`` left.

    Raises Refusal for fewer than two classes, and for units that the new classifier could not read.
    """
    if options.data.classes < 2:
        raise Refusal(
            "a classifier needs at least two classes",
            received=counted(options.data.classes, "class"),
            remedy="give pictures of at least two classes; pictures of neither can be a class, too",
        )
    model = _model(view, options)
    names = Names(view)
    edits: list[Edit] = []
    notes: list[Note] = []
    bottom, at = _features(view, model, names, options, edits, notes)
    layers = _classifier(view, model, names, options, bottom)
    for one in model.between:
        if one.layer.type in NONLINEAR:
            why = "a class whose score is 0 for every picture would not learn any more"
            notes.append(Note(f"no `{one.name}` ({one.layer.type}) after it", view.where(one.index), why))
    notes.append(
        Note(
            f"new classifier `{layers[0].name}` on `{bottom}`: {counted(options.data.classes, 'class')} "
            f"of `{options.name}`",
            view.where(model.head.index),
            f"lr_mult {OLD[0][0]:g}/{OLD[1][0]:g}; only new layers learn, so base_lr is their rate",
        )
    )
    label = view.free("label") if not any("label" in one.tops for one in view.plan.sources) else "label"
    probability, ends = _ends(names, options, layers[-1].top[0], label)
    edits += [InsertLayer(at, layer) for layer in layers]
    kept = [blob for one in view.answers for blob in [_answer(one)]]
    silence = LayerParameter(name=names.take(SILENCE), type="Silence", bottom=[*kept, probability])
    edits += [InsertLayer(len(view.net.layer), layer) for layer in (*ends, silence)]
    data = picture_layers(view, view.answers, label, options.data)
    return Rewrite((*edits, *data.edits), (), (*notes, *data.notes))


def _model(view: View, options: TaskOptions) -> ClassifierLayer:
    """The classifier that the new one is modelled on, as the graph sees it that trains."""
    if options.head is None:
        return view.answers[-1]
    planned = view.find(options.head, "--head")
    for one in view.answers:
        if one.name == planned.name:
            return one
    raise Refusal(
        f"`{planned.name}` is not a classifier of the net",
        view.where(planned.index),
        received=f"--head {options.head}",
        remedy=f"the new one can be modelled on {', '.join(one.name for one in view.answers)}",
    )


def _features(
    view: View, model: ClassifierLayer, names: Names, options: TaskOptions, edits: list[Edit], notes: list[Note]
) -> tuple[str, int]:
    """The blob that the new classifier reads, and where in the file the classifier goes."""
    value, graph = model.head.bottom_values[0], view.graph
    blob = graph.plan.values[value].blob
    end = len(view.net.layer) if graph.plan.value_of(blob) == value else model.head.index
    if options.widen is None:
        return blob, end
    layer, unit = options.widen
    new_units.check_units(layer, unit)
    place = unit_places.find_place(view, graph, layer, "--widen")
    passed = _between(view, model, place.last.top_values[0], layer)
    group = parallel_units.add_group(view, graph, place, names, unit, f"wide_{options.name}", rewire=False)
    edits += group.edits
    notes += group.notes
    top = group.wide
    for one in passed:
        copied = _copied(view, one, names.take(f"{one.name}_{options.name}"), top)
        edits.append(InsertLayer(model.head.index, copied))
        top = copied.top[0]
    return top, len(view.net.layer)


def _between(view: View, model: ClassifierLayer, start: int, layer: str) -> list[PlannedLayer]:
    """The layers from the widened one to the classifier, which only pass features on; Refusal for any other."""
    passed: list[PlannedLayer] = []
    value = model.head.bottom_values[0]
    while value != start:
        maker = view.graph.producer.get(value)
        if maker is None or maker.layer.type not in PASSING or len(maker.bottoms) != 1:
            feeding = new_units.feeding(view.graph, model)
            raise Refusal(
                f"old layers would read the units beside `{layer}`, and old layers do not change",
                None if maker is None else view.where(maker.index),
                received=f"--widen {layer}",
                remedy=f"widen what the classifier reads: --widen {shell.word(f'{feeding}:UNITS')}"
                if feeding
                else "omit --widen",
            )
        passed.insert(0, maker)
        value = maker.bottom_values[0]
    return passed


def _classifier(view: View, model: ClassifierLayer, names: Names, options: TaskOptions, bottom: str) -> list[Any]:
    """The new classifier and what follows it, like its model, up to the scores.

    A non-linearity on the scores (SqueezeNet's ReLU) is left out: a class that it sends to zero for every picture would
    never learn again, and with features that are held fixed nothing brings it back.
    """
    earlier = [head.task for head in view.net.lungo.head if head.task]
    layer = LayerParameter()
    layer.CopyFrom(view.net.layer[model.head.index])
    for name in ("include", "exclude", "phase", "blobs", "param"):
        layer.ClearField(name)
    layer.name = names.take(f"{root(model.name, *earlier, 'read')}_{options.name}")
    layer.bottom[:], layer.top[:] = [bottom], [layer.name]
    given = getattr(layer, options_field(layer))
    given.num_output = options.data.classes
    if layer.type == "Convolution":
        given.ClearField("group")
    if weak(given.weight_filler):
        given.weight_filler.CopyFrom(head_filler())
    if given.bias_term and not given.HasField("bias_filler"):
        given.bias_filler.CopyFrom(FillerParameter(type="constant", value=0))
    give_rates(layer, OLD[: weighted_blobs(layer)])
    layers = [layer]
    for one in model.between:
        if one.layer.type == "Softmax":
            break
        if one.layer.type in NONLINEAR:
            continue
        name = names.take(f"{root(one.name, *earlier)}_{options.name}")
        layers.append(_copied(view, one, name, layers[-1].top[0]))
    return layers


def _copied(view: View, one: PlannedLayer, name: str, bottom: str) -> Any:
    """A copy of a layer without parameters for the new classifier, in place where the old one is."""
    layer = LayerParameter()
    layer.CopyFrom(view.net.layer[one.index])
    for rule in ("include", "exclude", "phase"):
        layer.ClearField(rule)
    layer.name = name
    layer.bottom[:], layer.top[:] = [bottom], [bottom if all(one.in_place) else layer.name]
    return layer


def _ends(names: Names, options: TaskOptions, scores: str, label: str) -> tuple[str, Sequence[Any]]:
    """The blob of probabilities; Softmax, accuracy and loss on ``scores``."""
    softmax = LayerParameter(name=names.take(f"prob_{options.name}"), type="Softmax", bottom=[scores])
    softmax.top.append(softmax.name)
    accuracy = LayerParameter(name=names.take("accuracy"), type="Accuracy", bottom=[scores, label])
    accuracy.top.append(accuracy.name)
    accuracy.include.add(phase=TEST)
    loss = LayerParameter(name=names.take("loss"), type="SoftmaxWithLoss", bottom=[scores, label])
    loss.top.append(loss.name)
    return softmax.name, (softmax, accuracy, loss)


def _answer(one: ClassifierLayer) -> str:
    """The blob that a classifier answers with: its Softmax, else its scores."""
    softmax = next((end for end in one.ends if end.layer.type == "Softmax"), None)
    last = softmax or (one.between[-1] if one.between else one.head)
    return last.tops[0]


def declare(view: View, options: TaskOptions) -> Rewrite:
    """``lungo.head`` for the classifier that learns."""
    name = view.heads()[-1].name
    entry = _head(name, KnownTask(options.name, options.labels))
    return Rewrite((SetField(("lungo", "head", len(view.net.lungo.head)), entry),))
