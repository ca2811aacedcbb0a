"""The part of a foreign net that can be exported, and the complete list of obstacles. No torch.

    data (a fork's) -> ... -> fc7 -> head -> SoftmaxWithLoss         Input -> ... -> fc7 -> head
                                `--> CenterLoss (a fork's)      =>
    data -> ... -> conv5 -> RoiPooling (a fork's) -> fc6        =>   refused, or with outputs=conv5: Input ... conv5

Layers of types that do not exist here cost nothing where no output depends on them: losses of forks, data layers,
and all that lies beyond the blobs that were asked for. Nor do fields that say how a fork computes, not what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo import shell
from caffelungo.definition import editor
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, SetField
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.forks import costs_nothing
from caffelungo.definition.parser import ForeignField
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.layers import registry
from caffelungo.layers.kinds import MEASURING
from caffelungo.plan.build_plan import build_plan

MEASURES = ("Loss", "Accuracy", "Evaluate")
"""How the types of forks end that only training and testing need."""

LABELS = frozenset({"label", "labels", "sim"})
"""Blobs that are never pictures, where a fork's data layer makes several."""


@dataclass
class Cut:
    """``definition`` without what no output needs. ``problems`` prevent the export; ``shapes`` of inputs were found."""

    definition: Definition
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def cut(
    definition: Definition,
    foreign: Sequence[ForeignField] = (),
    outputs: Sequence[str] = (),
) -> Cut:
    """What of ``definition`` its outputs need (or the blobs ``outputs``), in phase TEST.

    ``foreign`` are the unknown fields that ``read_net`` left out: those of the net itself and of layers that are needed
    become problems, or a note where no answer depends on them.
    Raises UserError for a blob of ``outputs`` that no layer makes.
    """
    part = _part(definition, foreign, outputs)
    if part.problems and (way := _way_out(definition, foreign)) is not None:
        part.problems.append(way)
    return part


def _part(definition: Definition, foreign: Sequence[ForeignField], outputs: Sequence[str]) -> Cut:
    costless = [one for one in foreign if costs_nothing(one.message, one.received or "")]
    foreign = [one for one in foreign if one not in costless]
    net = definition.message
    state = net_state(net, TEST)
    here = [index for index, layer in enumerate(net.layer) if included(layer, state)]
    needed = _upstream(net, here, outputs) if outputs else [i for i in here if not _measures(net.layer[i])]
    known = {index for index in needed if registry.find(net.layer[index].type) is not None}
    problems = _on_needed(definition, foreign, known)
    edits: list[Edit] = []
    notes = _left_out(costless)
    shapes: dict[str, tuple[int, ...]] = {}
    for index, layer in enumerate(net.layer):
        unknown = registry.find(layer.type) is None
        if index in needed and unknown and not layer.bottom:
            edits += [SetField(("layer", index, "type"), "Input")]
            shapes.update(_pictures(layer))
            notes.append(f"data layer `{layer.name}` ({layer.type}) becomes the net's input")
        elif index in here and index not in needed:
            edits.append(DeleteLayer(index))
            if unknown:
                notes.append(f"layer `{layer.name}` ({layer.type}) is dropped: no output depends on it")
        elif index in needed and outputs and layer.loss_weight:
            edits.append(ClearField(("layer", index, "loss_weight")))
    result = Cut(editor.apply(definition, edits) if edits else definition, problems, notes, shapes)
    refused: list[Problem] = []
    build_plan(result.definition.message, state, where=result.definition.where, problems=refused)
    result.problems[:0] = _unknown(result.definition, state)
    result.problems += [problem for problem in refused if not problem.what.startswith("unknown layer type")]
    return result


def _upstream(net: Any, here: Sequence[int], outputs: Sequence[str]) -> list[int]:
    """Indices of the layers that lead to ``outputs``, in order."""
    made = [top for index in here for top in net.layer[index].top]
    problems = []
    for blob in outputs:
        if blob not in made:
            near = did_you_mean(blob, made)
            remedy = f"did you mean `{near}`?" if near else "name the top of a layer"
            problems.append(Problem("no layer makes the requested output", received=blob, remedy=remedy))
    if problems:
        raise UserError(problems)
    wanted = set(outputs)
    kept = []
    for index in reversed(here):
        layer = net.layer[index]
        if wanted.intersection(layer.top):
            kept.append(index)
            wanted.update(layer.bottom)
    return kept[::-1]


def _measures(layer: Any) -> bool:
    """Whether ``layer`` is a loss or a measure of a type that does not exist here."""
    if registry.find(layer.type) is not None:
        return False
    return bool(layer.bottom) and (layer.type.endswith(MEASURES) or any(layer.loss_weight))


def _pictures(layer: Any) -> dict[str, tuple[int, ...]]:
    """The shape of a fork's picture layer's first top, where its crop tells it."""
    crop = layer.transform_param.crop_size
    tops = [top for top in layer.top if top not in LABELS]
    if not crop or not tops:
        return {}
    return {tops[0]: (1 if layer.transform_param.force_gray else 3, crop, crop)}


def _unknown(definition: Definition, state: Any) -> list[Problem]:
    """One problem for each layer of a type that does not exist here."""
    return [
        registry.unknown_type(layer, definition.where("layer", index, "type"))
        for index, layer in enumerate(definition.message.layer)
        if registry.find(layer.type) is None and included(layer, state)
    ]


def _left_out(costless: Sequence[ForeignField]) -> list[str]:
    """One note on all fields that say how a fork computes."""
    names = dict.fromkeys(f"`{one.received}`" for one in costless)
    return [f"dropped, as no output depends on how a fork computes: {', '.join(names)}"] if names else []


def _on_needed(definition: Definition, foreign: Sequence[ForeignField], needed: set[int]) -> list[Problem]:
    """Those of ``foreign`` that are in needed layers, or in none."""
    return [problem for problem in foreign if (place := _layer_at(definition, problem)) is None or place in needed]


def _layer_at(definition: Definition, problem: ForeignField) -> int | None:
    """The layer that ``problem`` is in; None where that is unknown, and for a field of the net itself."""
    at = _position(problem.where)
    if at is None or problem.message == "NetParameter":
        return None
    found = None
    for index in range(len(definition.message.layer)):
        start = _position(definition.where("layer", index))
        if start is not None and start <= at:
            found = index
    return found


def _position(where: Location | None) -> tuple[int, int] | None:
    return None if where is None or where.line is None else (where.line, where.column or 0)


def _way_out(definition: Definition, foreign: Sequence[ForeignField]) -> Problem | None:
    """The blobs up to which the net can leave, where there are any."""
    inside = [one for one in foreign if _layer_at(definition, one) is not None]
    ends = [blob for blob in _ends(definition, foreign) if not _part(definition, inside, (blob,)).problems]
    if not ends:
        return None
    return Problem(
        "the part that does not depend on these layers can be converted",
        remedy=f"name its outputs: --outputs {shell.word(','.join(ends))}",
    )


def _ends(definition: Definition, foreign: Sequence[ForeignField]) -> list[str]:
    """The blobs that nothing reads once the layers are gone whose types or fields do not exist here."""
    net = definition.message
    state = net_state(net, TEST)
    foreign = [one for one in foreign if not costs_nothing(one.message, one.received or "")]
    bad = {place for problem in foreign if (place := _layer_at(definition, problem)) is not None}
    tainted: set[str] = set()
    made: dict[str, None] = {}
    read: set[str] = set()
    lost = 0
    for index, layer in enumerate(net.layer):
        if not included(layer, state):
            continue
        cls = registry.find(layer.type)
        if cls is not None and cls.source:
            continue
        if cls is None and not layer.bottom:
            continue
        if cls is None or index in bad or tainted.intersection(layer.bottom):
            tainted.update(layer.top)
            lost += not _measures(layer)
        elif not cls.loss and layer.type not in MEASURING:
            read.update(blob for blob in layer.bottom if blob not in layer.top)
            made.update(dict.fromkeys(layer.top))
    ends = [blob for blob in made if blob not in read and blob not in tainted]
    return ends if lost else []
