"""A new layer on top of a pre-trained one, before the classifier (DA-CNN of Growing a Brain).

    before:  ... -> fc7 -> relu7 -> drop7 -> fc8
    after:   ... -> fc7 -> relu7 -> drop7 -> fc7_deep -> relu7_deep -> norm7_deep -> drop7_deep -> fc8_deep
             everything up to drop7 stays as it is

The new layer is of the classifier's kind: an InnerProduct, or a 1x1 Convolution where the classifier is one. Normalize
helps when the whole net learns (58.1 to 57.2 % on SUN-397) and costs a little when only new layers do (table 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from caffelungo.definition.edits import Edit, InsertLayer, SetField
from caffelungo.definition.schema import LayerParameter
from caffelungo.layers.plan import PlannedLayer
from caffelungo.passes import branch
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.branch import Built, Names, UnitOptions
from caffelungo.passes.heads import fresh_head
from caffelungo.passes.view import HEADS, NONLINEAR, Classifier, Graph, View

JOINS = frozenset({"Concat", "Normalize"})
"""What may stand between the layer and the classifier: after ``widen``, a new layer goes on top of both groups."""


@dataclass(frozen=True)
class DeepenOptions:
    """``layer``: on top of which layer; ``unit``: how many units and how they are made."""

    layer: str
    unit: UnitOptions
    deep: str = "deep"


def deepen(view: View, options: DeepenOptions) -> Rewrite:
    """The rewrite; Refusal when anything but classifiers reads ``options.layer``."""
    graph, unit = view.graph, options.unit
    if unit.units < 1:
        raise Refusal("no units to add", received=f"{options.layer}:{unit.units}", remedy="write a number from 1")
    target = view.find(options.layer, "--deepen")
    branch.refuse_rules(view, target)
    branch.refuse_head(view, target, graph)
    chain = graph.chain(target)
    last = (chain or [target])[-1].top_values[0]
    heads = branch.heads_behind(view, graph, target, last, "deepening", through=JOINS)
    value = _one_input(view, heads)
    path = _between(graph, target, value)
    names = Names(view)
    base = target.tops[0] if target.layer.type not in HEADS else target.name
    built = _build(graph, heads[0].head, target, path, names, options)
    edits: list[Edit] = []
    at = min(one.head.index for one in heads)
    comment = (
        f"A new layer of {unit.units} units on top of {base}: it starts from its filler and learns ten times as fast."
    )
    for k, layer in enumerate(built.layers):
        edits.append(InsertLayer(at, layer, comment if k == 0 else None))
    notes = [
        Note(
            f"new layer `{built.layers[0].name}` of {unit.units} units on top of `{base}`",
            view.where(target.index),
            "the classifier reads it; the layers below stay as they are",
        )
    ]
    for one in heads:
        edits.append(SetField(("layer", one.head.index, "bottom", 0), built.top))
        fresh = fresh_head(view, one.head, options.deep, rates=unit.rates)
        edits += fresh.edits
        notes += fresh.notes
    return Rewrite(tuple(edits), (), tuple(notes))


def _one_input(view: View, heads: Sequence[Classifier]) -> int:
    values = {one.head.bottom_values[0] for one in heads}
    if len(values) > 1:
        raise Refusal(
            "several classifiers read different forms of it, so one new layer cannot stand before them all",
            view.where(heads[-1].head.index),
            received=", ".join(one.name for one in heads),
            remedy="deepen a layer nearer to one of them",
        )
    return values.pop()


def _between(graph: Graph, target: PlannedLayer, value: int) -> list[PlannedLayer]:
    """The layers from ``target`` to what the classifier reads."""
    path: list[PlannedLayer] = []
    while value in graph.producer and graph.producer[value].index != target.index:
        path.insert(0, graph.producer[value])
        value = path[0].bottom_values[0]
    return path


def _dropout(graph: Graph, path: list[PlannedLayer], target: PlannedLayer) -> list[PlannedLayer]:
    """The Dropout that the features pass on the way to the classifier, or before they were joined in ``target``."""
    groups = target.bottom_values if len(target.bottom_values) > 1 else ()
    joined = [graph.producer[value] for value in groups if value in graph.producer]
    return [one for one in (*joined, *path) if one.layer.type == "Dropout"]


def _build(
    graph: Graph,
    head: PlannedLayer,
    target: PlannedLayer,
    path: list[PlannedLayer],
    names: Names,
    options: DeepenOptions,
) -> Built:
    unit, suffix = replace(options.unit, filler=options.unit.filler or "xavier"), options.deep
    bottom = graph.plan.values[head.bottom_values[0]].blob
    base = target.tops[0] if target.layer.type not in HEADS else target.name
    name = names.take(f"{base}_{suffix}")
    like = names.view.net.layer[head.index]
    if head.layer.type == "Convolution":
        first = branch.convolution(name, bottom, unit.kernel or 1, 1, unit, like)
    else:
        first = branch.units_like(like, name, bottom, unit)
    built = Built([first], name)
    neurons = [one for one in path if one.layer.type in NONLINEAR][-1:]
    if neurons:
        branch.follow(built, neurons, names, suffix)
    else:
        built.layers.append(LayerParameter(name=names.take(f"{name}_relu"), type="ReLU", bottom=[name], top=[name]))
    if unit.normalize:
        norm = names.norm(name)
        built.layers.append(branch.normalize(norm, built.top, norm, unit.scale))
        built.top = norm
    branch.follow(built, _dropout(graph, path, target)[-1:], names, suffix)
    return built
