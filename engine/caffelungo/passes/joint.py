"""New units beside a layer, and a new layer on top of old and new ones (DWA-CNN of Growing a Brain).

    before:  fc6 -> fc7 -> relu7 -> drop7 -> fc8
    after:   fc6 -> fc7 -> relu7 -> norm7 -> drop7 ----.
             fc6 -> fc7_new -> relu7_new -> ... -> fc7_wide (Concat) -> fc7_deep -> relu7_deep -> ... -> fc8_joint
             the new units read what the old ones read; only the new layer reads both

It is ``widen`` and ``deepen`` in one, with one classifier renamed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from caffelungo.bounds import WHOLE
from caffelungo.definition.edits import Edit, SetField
from caffelungo.passes import joined_units, new_units, parallel_units, unit_places
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.deepen import DeepenOptions, add_layer, one_input
from caffelungo.passes.default_layers import unit_layer
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.names import Names, root
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.option_fields import option
from caffelungo.passes.registry import GROW, register
from caffelungo.passes.view import View


@dataclass(frozen=True)
class JointOptions:
    """``layer``: beside which layer ("": as in ``widen``); ``unit``: its new units; ``deep``: units of the new layer
    (None: as many)."""

    layer: str = option("The layer or blob (default: the layer that feeds the classifier).", absent="")
    unit: UnitOptions = option("The new units.")
    deep: int | None = option(
        "Number of units of the layer on top (default: as many as beside).",
        default=None,
        bounds=WHOLE,
        recipe="deep_units",
    )
    suffix: str = "joint"


@register("joint", verb=GROW, flag="--joint", order=30, help="New units beside a layer, and a layer on top of both.")
def joint(view: View, options: JointOptions) -> Rewrite:
    """The rewrite; Refusal where ``widen`` refuses, or when a classifier should be kept."""
    graph, unit = view.graph, options.unit
    options = replace(options, layer=options.layer or unit_layer(view))
    new_units.check_units(options.layer, unit)
    deep = replace(unit, units=options.deep or unit.units)
    if unit.keeps:
        raise Refusal(
            "the new layer on top changes what the classifier reads, so it cannot be kept",
            received="--keep-head with --joint",
            remedy="omit --keep-head, or use --widen alone",
        )
    place = unit_places.find_place(view, graph, options.layer, "--joint")
    joined_units.refuse(view, graph, place, "--joint")
    heads = new_units.heads_behind(view, graph, place.target, place.last.top_values[0], "widening")
    value = one_input(view, heads)
    names = Names(view)
    group = parallel_units.add_group(view, graph, place, names, unit, "wide")
    bottom = group.wide if value == place.last.top_values[0] else None
    base = root(place.base, "wide")
    on_top = DeepenOptions(group.wide, replace(deep, start="filler"))
    layer = add_layer(view, graph, heads, value, place.target, base, names, on_top, bottom)
    edits: list[Edit] = []
    notes: list[Note] = []
    for one in heads:
        edits.append(SetField(("layer", one.head.index, "bottom", 0), layer.top))
        fresh = fresh_head(view, one.head, options.suffix, rates=unit.rates)
        edits += fresh.edits
        notes += fresh.notes
    first = [edit for edit in group.edits if not _leads_heads(edit, [one.head.index for one in heads])]
    return Rewrite((*first, *layer.edits, *edits), tuple(group.moves), (*group.notes, *layer.notes, *notes))


def _leads_heads(edit: Edit, heads: list[int]) -> bool:
    """Whether an edit leads a classifier to the joined units, where it is to read the new layer instead."""
    return isinstance(edit, SetField) and len(edit.path) > 2 and edit.path[1] in heads and edit.path[2] == "bottom"
