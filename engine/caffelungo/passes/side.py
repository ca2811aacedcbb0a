"""A frozen net and a copy of it that learns, blended by one learned share (side-tuning).

    before:  data -> conv1 -> ... -> fc7 -> relu7 -> drop7 -> fc8
    after:   data -> conv1 -> ... -> fc7 -> relu7 (all frozen) ------------.
             data -> conv1_side -> ... -> fc7_side -> relu7_side (learns) -> share * base + (1 - share) * side
                                                         -> fc7_blend -> drop7 -> fc8

The share is sigmoid(alpha), and alpha starts at 0 without weight decay. The side net starts with the weights of the
base, so the answers are the same at the first step and the classifier is kept. With a start (``fire5/concat``) only
what lies behind it is copied. Zhang et al. 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from caffelungo.definition.edits import Edit, InsertLayer
from caffelungo.definition.schema import LayerParameter
from caffelungo.passes import moves, new_units, rewire
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.default_layers import top_layer
from caffelungo.passes.freeze import hold
from caffelungo.passes.names import Names
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import give_rates
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted


@dataclass(frozen=True)
class SideOptions:
    """``layer``: whose output is blended ("": that of the layer that feeds the classifier); ``start``: the layer behind
    which the copy begins (None: the picture)."""

    layer: str = option("The layer (default: the one that feeds the classifier).", absent="", flag="--side", asks=True,
                        metavar="LAYER")  # fmt: skip
    start: str | None = option("The layer after which the copy begins (default: the picture).", default=None,
                               flag="--side-from", metavar="LAYER")  # fmt: skip
    suffix: str = "side"


@register(
    "side",
    verb=REWRITE,
    order=160,
    help="A copy that learns, blended with the frozen net by a learned factor.",
)
def side(view: View, options: SideOptions) -> Rewrite:
    """The rewrite; Refusal when there is nothing between the start and the layer, or no classifier behind it."""
    graph = view.graph
    options = replace(options, layer=options.layer or top_layer(view))
    target = view.find(options.layer, "--side")
    new_units.refuse_rules(view, target)
    new_units.refuse_head(view, target, graph)
    before, after = new_units.split_chain(graph.chain(target))
    end, last = (before or [target])[-1], ([*before, *after] or [target])[-1]
    base = graph.upstream([end])
    copied = _copied(view, graph, base, options)
    names = Names(view)
    blobs: dict[str, str] = {}
    layers: list[Any] = []
    work = []
    for one in copied:
        twin = _twin(view, one, blobs, names, options.suffix)
        layers.append(twin)
        if one.params:
            work.append(moves.copy(one.name, twin.name))
    blend = _blend(end.tops[0], blobs[end.tops[0]], target.tops[0], names)
    edits: list[Edit] = []
    for k, layer in enumerate([*layers, *blend]):
        comment = f"A copy of what lies before {target.tops[0]}, which learns." if k == 0 else None
        comment = "sigmoid(alpha) of the frozen net and the rest of its copy." if k == len(layers) else comment
        edits.append(InsertLayer(end.index + 1, layer, comment))
    edits += rewire.lead(view, graph, last.top_values[0], rewire.reconnect(after, blend[-1].top[0], edits))
    held = hold(
        view,
        {one.index: one for one in base if not one.layer.source},
        dict.fromkeys((one.index for one in base), "the base net of side-tuning"),
    )
    note = Note(
        f"{counted(len(copied), 'layer')} copied as `*_{options.suffix}`, blended with the frozen ones in "
        f"`{blend[-1].name}`",
        view.where(target.index),
        "both start with the same weights, so the answers are the same at the first step",
    )
    return Rewrite((*edits, *held.edits), tuple(work), (note, *held.notes))


def _copied(view: View, graph: Graph, base: Sequence[PlannedLayer], options: SideOptions) -> list[PlannedLayer]:
    """The layers of ``base`` that the side net copies: those behind the start."""
    outside = {one.index for one in base if one.layer.source}
    if options.start is not None:
        start = view.find(options.start, "--side-from")
        outside |= {one.index for one in graph.upstream([(graph.chain(start) or [start])[-1]])}
    inside = {value for one in base if one.index in outside for value in one.top_values}
    for one in base:
        # What overwrites in place a blob that both nets would read belongs to the base alone.
        if one.index not in outside and one.bottoms and any(one.in_place) and one.bottom_values[0] in inside:
            outside.add(one.index)
            inside.update(one.top_values)
    copied = [one for one in base if one.index not in outside]
    if not any(one.params for one in copied):
        raise Refusal(
            f"there are no weights between the start and `{options.layer}`",
            view.where(base[-1].index),
            received=f"--side {options.layer}" + (f" --side-from {options.start}" if options.start else ""),
            remedy="name an earlier start, or none",
        )
    ruled = [one for one in copied if one.layer.param.include or one.layer.param.exclude]
    if ruled:
        raise Refusal(
            f"`{ruled[0].name}` is in one phase only",
            view.where(ruled[0].index),
            remedy="remove its include and exclude rules first",
        )
    return copied


def _twin(view: View, one: PlannedLayer, blobs: dict[str, str], names: Names, suffix: str) -> Any:
    """A copy of ``one`` under another name, reading the copies of what it reads."""
    layer = LayerParameter()
    layer.CopyFrom(view.net.layer[one.index])
    layer.name = names.take(f"{one.name}_{suffix}")
    layer.bottom[:] = [blobs.get(bottom, bottom) for bottom in one.bottoms]
    in_place = one.in_place
    for k, top in enumerate(one.tops):
        if in_place[k] and top in blobs:
            layer.top[k] = blobs[top]
        else:
            blobs[top] = layer.top[k] = layer.name if len(one.tops) == 1 else names.take(f"{top}_{suffix}")
    for block in layer.param:
        if block.name:
            block.name = f"{block.name}_{suffix}"
    return layer


def _blend(base: str, twin: str, stem: str, names: Names) -> list[Any]:
    """share * base + (1 - share) * side, as side + share * (base - side)."""
    alpha = LayerParameter(name=names.take(f"{stem}_alpha"), type="Parameter")
    alpha.top.append(alpha.name)
    alpha.parameter_param.shape.SetInParent()
    give_rates(alpha, [(1.0, 0.0)])
    share = _layer(names.take(f"{stem}_share"), "Sigmoid", alpha.name)
    apart = _layer(names.take(f"{stem}_apart"), "Eltwise", base, twin)
    apart.eltwise_param.coeff.extend([1.0, -1.0])
    part = _layer(names.take(f"{stem}_part"), "Scale", apart.name, share.name)
    part.scale_param.axis = 0
    return [alpha, share, apart, part, _layer(names.take(f"{stem}_blend"), "Eltwise", twin, part.name)]


def _layer(name: str, kind: str, *bottoms: str) -> Any:
    return LayerParameter(name=name, type=kind, bottom=list(bottoms), top=[name])
