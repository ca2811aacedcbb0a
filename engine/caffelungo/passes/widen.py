"""New units beside a layer, read together with the old ones by a new classifier (WA-CNN of Growing a Brain).

    before:  fc6 -> fc7 -> relu7 -> drop7 -> fc8
    after:   fc6 -> fc7 -> relu7 -> norm7 -> drop7 --------------.
             fc6 -> fc7_new -> relu7_new -> norm7_new -> drop7_new -> fc7_wide (Concat) -> fc8_wide

The old layers keep their names, inputs and weights, so what they compute is what it was. Where a group may be placed,
and what its units read, see ``parallel_units``; where a classifier reads pooled features of several layers, see
``joined_units``. A classifier that is kept (``UnitOptions.keep_head``) reads the new units too, its old columns copied
and the new ones zero, so its answers are the same at the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.definition.edits import Edit
from caffelungo.layers.kinds import MIXING, PASSING
from caffelungo.passes import joined_units, new_units, parallel_units, unit_places
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.default_layers import unit_layer
from caffelungo.passes.fresh_head import fresh_head, kept_head
from caffelungo.passes.moves import Move
from caffelungo.passes.names import Names
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.option_fields import option
from caffelungo.passes.parallel_units import Group
from caffelungo.passes.registry import GROW, register
from caffelungo.passes.view import ClassifierLayer, Graph, View


@dataclass(frozen=True)
class WidenOptions:
    """``layer``: beside which layer or blob ("": the one that feeds the classifier); ``unit``: how many units and how
    they are made."""

    layer: str = option("The layer or blob (default: the layer that feeds the classifier).", absent="")
    unit: UnitOptions = option("The new units.")
    wide: str = "wide"


@register("widen", verb=GROW, flag="--widen", order=10, help="New units beside a layer, which read what it reads.")
def widen(view: View, options: WidenOptions) -> Rewrite:
    """The rewrite; Refusal when an old layer would change, or when what the new units should read is not known."""
    graph, unit = view.graph, options.unit
    layer = options.layer or unit_layer(view)
    new_units.check_units(layer, unit)
    place, joined = joined_units.find(view, graph, unit_places.find_place(view, graph, layer, "--widen"))
    if joined:
        return joined_units.widen(view, graph, place, joined, unit, options.wide)
    joined_units.refuse(view, graph, place, "--widen")
    heads = new_units.heads_behind(view, graph, place.target, place.last.top_values[0], "widening")
    group = parallel_units.add_group(view, graph, place, Names(view), unit, options.wide)
    edits, moved, notes = read_by_heads(view, graph, heads, group, unit, options.wide)
    return Rewrite((*group.edits, *edits), (*group.moves, *moved), (*group.notes, *notes))


def read_by_heads(
    view: View, graph: Graph, heads: Sequence[ClassifierLayer], group: Group, unit: UnitOptions, suffix: str
) -> tuple[list[Edit], list[Move], list[Note]]:
    """The classifiers over the joined units: afresh under new names, or kept."""
    edits: list[Edit] = []
    moved: list[Move] = []
    notes: list[Note] = []
    for one in heads:
        if unit.keeps:
            _refuse_mixing(view, graph, group, one)
            kept = kept_head(view, one.head, group.channels or 0, unit.units, group.picks if _net2net(unit) else None)
            moved += kept.moves
            notes += kept.notes
        else:
            fresh = fresh_head(view, one.head, suffix, rates=unit.rates)
            edits += fresh.edits
            notes += fresh.notes
    return edits, moved, notes


def _net2net(unit: UnitOptions) -> bool:
    return unit.start == "net2net"


def _refuse_mixing(view: View, graph: Graph, group: Group, one: ClassifierLayer) -> None:
    """Between the joined units and a kept classifier nothing may mix channels."""
    if not group.channels:
        raise Refusal(
            f"the number of channels of `{group.place.base}` is not known, so `{one.name}` cannot be kept",
            view.where(group.place.target.index),
            remedy="write crop_size into the data layers' transform_param",
        )
    value = one.head.bottom_values[0]
    while value != group.place.last.top_values[0] and value in graph.producer:
        maker = graph.producer[value]
        if maker.layer.type in MIXING or maker.layer.type not in PASSING:
            raise Refusal(
                f"`{maker.name}` ({maker.layer.type}) before `{one.name}` makes old channels depend on the new ones",
                view.where(maker.index),
                remedy="omit --keep-head: the classifier is then re-initialised under a new name",
            )
        value = maker.bottom_values[0]
