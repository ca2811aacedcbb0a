"""How many samples each class has, for losses that weigh classes by it: counted once, before the first iteration.

    train net with its data -> labels of every sample, as the loss reads them -> `class_count` of the loss, in the net
    that is trained, tested and kept in snapshots

What the file says is left alone. A resumed run goes on with the counts that it began with, whatever the data are now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from caffelungo.data import label_uses
from caffelungo.data.class_balanced_order import ClassBalancedOrder
from caffelungo.definition import layer_options
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Problem, UserError
from caffelungo.layers.class_balance import ClassBalanced
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.solve.net_text import NetText
from caffelungo.solve.nets import OpenedNet, class_names, open_net_with_data
from caffelungo.wording import listed

UNEVEN = 1.5
"""Ratio of the largest class to the smallest from which on tests in a training also print means over classes."""


@dataclass(frozen=True)
class ClassCounts:
    """Samples of each class; of outputs that are 1 or 0, how often each is 1 and (``others``) 0."""

    counts: tuple[int, ...]
    others: tuple[int, ...] = ()


def balanced(plan: Plan) -> Iterator[tuple[PlannedLayer, ClassBalanced]]:
    """The losses of ``plan`` that depend on how many samples each class has."""
    for planned in plan.layers:
        if isinstance(planned.layer, ClassBalanced) and planned.layer.wants_counts:
            yield planned, planned.layer


def wanting(plan: Plan) -> list[PlannedLayer]:
    """Those of them that have not been given the counts."""
    return [planned for planned, layer in balanced(plan) if not layer.counts]


def counted(opened: OpenedNet) -> OpenedNet:
    """``opened``, a train net, with the counts of its data in the losses that want them.

    UserError where a loss wants them and its labels are not there to be counted.
    """
    missing = wanting(opened.plan)
    if not missing:
        return opened
    found, problems = {}, []
    for planned in missing:
        counts = _count(opened, planned)
        if counts is None:
            what = f"the labels of layer `{planned.name}` cannot be counted before training"
            assert isinstance(planned.layer, ClassBalanced)
            block = layer_options.key(planned.layer.type)
            problems.append(
                Problem(what, opened.text.where("layer", planned.index), planned.layer.describe_balance(),
                        f"write the samples of each class: lungo {{ {block} {{ class_count: [120, 30] }} }}")
            )  # fmt: skip
        else:
            found[planned.name] = counts
    if problems:
        raise UserError(problems)
    text = filled(opened.text, found)
    shapes = {source.name: source.shapes for source in opened.sources}
    plan = build_plan(text.message, opened.plan.state, where=text.where, sources=shapes)
    return replace(opened, text=text, plan=plan, counted=frozenset(found))


def of_training(opened: OpenedNet) -> tuple[NetText, list[str]]:
    """The text of ``opened``, a test net, with the counts of the training data that the same file names.

    And a notice for people where they cannot be had, in which case its losses weigh all classes alike.
    """
    missing = wanting(opened.plan)
    if not missing:
        return opened.text, []
    state = net_state(opened.text.message, TRAIN)
    try:
        trained = counted(open_net_with_data(opened.text, state))
    except UserError as error:
        names = ", ".join(f"`{one.name}`" for one in missing)
        return opened.text, [
            f"the loss {names} is computed without the weights of its classes: the training data, whose samples they "
            f"follow from, cannot be counted ({error.problems[0].what})"
        ]
    return filled(opened.text, known(trained.plan)), []


def _count(opened: OpenedNet, planned: PlannedLayer) -> ClassCounts | None:
    """Samples of each class of the loss ``planned``; None where its labels are not there to be counted."""
    if not planned.layer.class_loss:
        return _count_outputs(opened, planned)
    looked = next((one for one in opened.labels if one.use.reader is planned), None)
    if looked is None or not looked.report.size:
        return None
    return ClassCounts(tuple(looked.report.counts.get(number, 0) for number in range(looked.use.classes)))


def _count_outputs(opened: OpenedNet, planned: PlannedLayer) -> ClassCounts | None:
    """Targets of each output that are 1, and that are 0."""
    shape = planned.bottom_shapes[0] or ()
    outputs = int(shape[1] or 0) if len(shape) > 1 else 1
    sources = {source.name: source for source in opened.sources}
    blocks = label_uses.blocks(opened.plan, sources, planned, 1)
    if blocks is None or not outputs:
        return None
    ones, zeros = np.zeros(outputs), np.zeros(outputs)
    ignored = planned.layer.options.ignore_label if planned.layer.options.HasField("ignore_label") else None
    for block in blocks:
        values = block.reshape(len(block), outputs, -1).astype(np.float64)
        seen = values.astype(np.int64) != ignored if ignored is not None else np.ones(values.shape, bool)
        ones += np.where(seen, values, 0).sum((0, 2))
        zeros += np.where(seen, 1 - values, 0).sum((0, 2))
    if not (ones + zeros).any():
        return None
    return ClassCounts(tuple(map(int, ones.round())), tuple(map(int, zeros.round())))


def filled(text: NetText, found: Mapping[str, ClassCounts]) -> NetText:
    """``text`` with ``found``, by layer name, in the losses that want counts and say none."""
    message = type(text.message)()
    message.CopyFrom(text.message)
    for layer in message.layer:
        if layer.name in found:
            block = layer_options.value(layer.lungo, layer_options.key(layer.type))
            if not block.class_count:
                _write(block, found[layer.name])
    return replace(text, message=message)


def _write(block: Any, counts: ClassCounts) -> None:
    block.class_count[:] = counts.counts
    if counts.others:
        block.other_count[:] = counts.others


def known(plan: Plan) -> dict[str, ClassCounts]:
    """The counts of the losses of ``plan``, by layer."""
    return {
        planned.name: ClassCounts(layer.counts, tuple(getattr(layer, "others", ())))
        for planned, layer in balanced(plan) if layer.counts
    }  # fmt: skip


def resume(opened: OpenedNet, tests: list[OpenedNet], net: str) -> list[str]:
    """Give the losses whose samples were counted the counts of ``net``, the text of the train net of the snapshot.

    Returns a line for each loss whose data have other counts now.
    """
    if not opened.counted or not net:
        return []
    then = {layer.name: layer for layer in parse_net(net).message.layer}
    notes = []
    for name, now in known(opened.plan).items():
        if name not in opened.counted or name not in then or then[name].type != opened.plan.layer(name).layer.type:
            continue
        block = layer_options.value(then[name].lungo, layer_options.key(then[name].type))
        before = ClassCounts(tuple(block.class_count), tuple(getattr(block, "other_count", ())))
        if not before.counts or before == now or len(before.counts) != len(now.counts):
            continue
        notes.append(
            f"layer `{name}` keeps the counts of samples that the run began with, {listed(before.counts)}; the data "
            f"have {listed(now.counts)} now"
        )
        for one in (opened, *tests):
            _replace(one, name, before)
    return notes


def _replace(opened: OpenedNet, name: str, counts: ClassCounts) -> None:
    for planned, layer in balanced(opened.plan):
        if planned.name == name:
            _write(layer.own, counts)
            layer.learn_counts(counts.counts)
    for param in opened.text.message.layer:
        if param.name == name:
            _write(layer_options.value(param.lungo, layer_options.key(param.type)), counts)


def lines(opened: OpenedNet) -> list[str]:
    """How the losses of ``opened`` weigh classes, for people."""
    names = next((found for source in opened.sources if (found := class_names(source))), [])
    names = names or list(opened.text.message.lungo.label)
    result = []
    for planned, layer in balanced(opened.plan):
        if not layer.counts:
            continue
        weights = layer.weights or ()
        each = [
            f"{names[k] if len(names) == len(layer.counts) else k} {count}"
            + (f" (weight {weights[k]:.3g})" if weights else "")
            for k, count in enumerate(layer.counts)
        ]
        result.append(f"layer `{planned.name}`: {layer.describe_balance()}; samples per class: {listed(each)}")
    return result


def uneven(opened: OpenedNet) -> bool:
    """Whether the data of ``opened`` have so different numbers of samples per class that accuracy hides rare ones."""
    for one in opened.labels:
        counts = [number for label, number in one.report.counts.items() if 0 <= label < one.use.classes]
        if counts and max(counts) >= UNEVEN * min(counts):
            return True
    return False


def twice(opened: OpenedNet) -> list[str]:
    """A notice where sampling and a loss both correct the sizes of classes."""
    drawn = [source.name for source in opened.sources if isinstance(source.order, ClassBalancedOrder)]
    return [
        f"layer `{drawn[0]}` draws every class equally often, and layer `{planned.name}` corrects the sizes of classes "
        f"as well ({layer.describe_balance()}): rare classes count too much; keep one of them"
        for planned, layer in balanced(opened.plan) if drawn
    ]  # fmt: skip
