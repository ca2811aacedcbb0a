"""A new layer on top of a pre-trained one, before the classifier (DA-CNN of Growing a Brain).

    before:  ... -> fc7 -> relu7 -> drop7 -> fc8
    after:   ... -> fc7 -> relu7 -> drop7 -> fc7_deep -> relu7_deep -> norm7_deep -> drop7_deep -> fc8_deep
             everything up to drop7 stays as it is

The new layer is of the classifier's kind: an InnerProduct, or a 1x1 Convolution where the classifier is one. Normalize
helps when the whole net learns (58.1 to 57.2 % on SUN-397) and costs a little when only new layers do (table 3).
Under a classifier that is kept the layer starts as the identity, without Normalize, so that the answers stay
(Net2DeeperNet: Chen, Goodfellow, Shlens 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from caffelungo import shell
from caffelungo.definition.edits import Edit, InsertLayer, SetField
from caffelungo.definition.schema import LayerParameter
from caffelungo.layers.base import count, shape_text
from caffelungo.layers.kinds import HEADS, NONLINEAR
from caffelungo.passes import moves, new_units
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.default_layers import top_layer
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.moves import Move
from caffelungo.passes.names import Names, root
from caffelungo.passes.new_units import Built, UnitOptions
from caffelungo.passes.option_fields import option
from caffelungo.passes.registry import GROW, register
from caffelungo.passes.view import ClassifierLayer, Graph, View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted

JOINS = frozenset({"Concat", "Normalize"})
"""What may be between the layer and the classifier: after ``widen``, a new layer goes on top of both groups."""


@dataclass(frozen=True)
class DeepenOptions:
    """``layer``: on top of which layer ("": the one that feeds the classifier); ``unit``: how many units and how they
    are made."""

    layer: str = option("The layer (default: the one that feeds the classifier).", absent="")
    unit: UnitOptions = option("The new units.")
    deep: str = "deep"


@register("deepen", verb=GROW, flag="--deepen", order=20, help="A new layer between a layer and the classifier.")
def deepen(view: View, options: DeepenOptions) -> Rewrite:
    """The rewrite; Refusal when anything but classifiers reads ``options.layer``."""
    graph = view.graph
    options = replace(options, layer=options.layer or top_layer(view))
    new_units.check_units(options.layer, options.unit)
    target = view.find(options.layer, "--deepen")
    new_units.refuse_rules(view, target)
    new_units.refuse_head(view, target, graph)
    chain = graph.chain(target)
    last = (chain or [target])[-1].top_values[0]
    heads = new_units.heads_behind(view, graph, target, last, "deepening", through=JOINS)
    value = one_input(view, heads)
    base = root(target.tops[0] if target.layer.type not in HEADS else target.name, "wide")
    layer = add_layer(view, graph, heads, value, target, base, Names(view), options)
    notes, edits = list(layer.notes), list(layer.edits)
    for one in heads:
        edits.append(SetField(("layer", one.head.index, "bottom", 0), layer.top))
        if options.unit.keeps:
            notes.append(Note(f"classifier `{one.name}` is kept", view.where(one.head.index), "its input is unchanged"))
            continue
        fresh = fresh_head(view, one.head, options.deep, rates=options.unit.rates)
        edits += fresh.edits
        notes += fresh.notes
    return Rewrite(tuple(edits), tuple(layer.moves), tuple(notes))


@dataclass
class NewLayer:
    """A new layer before the classifiers, as edits, and the blob it ends in."""

    top: str
    edits: list[Edit]
    moves: list[Move]
    notes: list[Note]


def add_layer(
    view: View,
    graph: Graph,
    heads: Sequence[ClassifierLayer],
    value: int,
    target: PlannedLayer,
    base: str,
    names: Names,
    options: DeepenOptions,
    bottom: str | None = None,
) -> NewLayer:
    """A layer between ``value`` (what ``heads`` read; ``bottom`` where that blob is another one now) and ``heads``."""
    unit, head = options.unit, heads[0].head
    path = _between(graph, target, value)
    kept: list[Move] = []
    if unit.keeps:
        unit = replace(unit, normalize=False)
    name = names.take(f"{base}_{options.deep}")
    built = _build(graph, head, target, path, names, replace(options, unit=unit), name, bottom)
    if unit.keeps:
        kept.append(_identity(view, graph, head, value, built.layers[0], options))
    edits: list[Edit] = []
    at = min(one.head.index for one in heads)
    start = "the identity" if kept else "its filler"
    layer_of = f"A new layer of {counted(unit.units, 'unit')} on top of {base}"
    comment = f"{layer_of}: it starts from {start} and learns {new_units.pace(unit)}."
    for k, layer in enumerate(built.layers):
        edits.append(InsertLayer(at, layer, comment if k == 0 else None))
    note = Note(
        f"new layer `{name}` of {counted(unit.units, 'unit')} on top of `{base}`",
        view.where(target.index),
        "the classifier reads it; the layers below are unchanged",
    )
    return NewLayer(built.top, edits, kept, [note])


def _identity(view: View, graph: Graph, head: PlannedLayer, value: int, first: Any, options: DeepenOptions) -> Move:
    """The move that makes the new layer give back what it reads (Net2DeeperNet); Refusal where it could not."""
    shape = graph.shape(value)
    inputs = None
    if shape is not None:
        inputs = shape[1] if head.layer.type == "Convolution" else count(shape[1:])
    if inputs != options.unit.units:
        raise Refusal(
            "a new layer can start as the identity only with as many units as its input has",
            view.where(head.index),
            received=f"{counted(options.unit.units, 'unit')} on {shape_text(shape)}",
            remedy=f"write --deepen {shell.word(f'{options.layer}:{inputs}' if inputs else f'{options.layer}:UNITS')}, "
            "or omit --keep-head",
        )
    if not _positive(graph, value):
        raise Refusal(
            f"the input of `{head.name}` may be negative, and the new layer's ReLU would set such values to 0",
            view.where(head.index),
            remedy="omit --keep-head: the classifier is then re-initialised under a new name",
        )
    kernel = [1, 1] if first.type == "Convolution" else []
    if first.type == "Convolution" and first.convolution_param.kernel_size:
        kernel = [int(first.convolution_param.kernel_size[0])] * 2
    bias = first.convolution_param.bias_term if kernel else first.inner_product_param.bias_term
    return moves.identity(first.name, (inputs, inputs, *kernel), bias)


def _positive(graph: Graph, value: int) -> bool:
    """Whether no number of a value is negative: it comes from a ReLU, say, by ways that keep it so."""
    maker = graph.producer.get(value)
    if maker is None:
        return False
    if maker.layer.never_negative(False):
        return True
    return maker.layer.never_negative(True) and all(_positive(graph, one) for one in maker.bottom_values)


def one_input(view: View, heads: Sequence[ClassifierLayer]) -> int:
    """What all ``heads`` read; Refusal when they read different values."""
    values = {one.head.bottom_values[0] for one in heads}
    if len(values) > 1:
        raise Refusal(
            "several classifiers read it through different layers, so one new layer cannot feed all of them",
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
    name: str,
    bottom: str | None,
) -> Built:
    unit, suffix = replace(options.unit, filler=options.unit.filler or "xavier"), options.deep
    bottom = bottom or graph.plan.values[head.bottom_values[0]].blob
    like = names.view.net.layer[head.index]
    if head.layer.type == "Convolution":
        first = new_units.convolution(name, bottom, unit.kernel or 1, 1, unit, like)
    else:
        first = new_units.units_like(like, name, bottom, unit)
    built = Built([first], name)
    neurons = [one for one in path if one.layer.type in NONLINEAR][-1:]
    if neurons and not unit.keeps:
        new_units.follow(built, neurons, names, suffix)
    else:
        built.layers.append(LayerParameter(name=names.take(f"{name}_relu"), type="ReLU", bottom=[name], top=[name]))
    if unit.normalize:
        norm = names.norm(name)
        built.layers.append(new_units.normalize(norm, built.top, norm, unit.scale))
        built.top = norm
    if not unit.keeps:
        new_units.follow(built, _dropout(graph, path, target)[-1:], names, suffix)
    return built
