"""New units beside several layers, each group reading the one below it (WWA-CNN of Growing a Brain, figure 2e).

    before:  pool5 -> fc6 -> relu6 -> drop6 -> fc7 -> relu7 -> drop7 -> fc8
    after:   pool5 -> fc6 -> relu6 -> drop6_out -> fc7 -> relu7 -> norm7 -> drop7 ---.
                             |-> norm6 -> drop6_wide ---.                            |
             pool5 -> fc6_new -> ... -> drop6_new -> fc6_wide -> fc7_new -> ... -> fc7_wide -> fc8_recursive

New units read old and new ones, while the pre-trained fc7 reads the pre-trained fc6 alone: only the copy of fc6 that
feeds new units is normalized, so what the old layers compute is what it was. Layers without weights between the two
(pooling before fc6) are copied for the joined units. In the paper the lower group has half the units of the upper one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from caffelungo import shell
from caffelungo.bounds import WHOLE
from caffelungo.definition.edits import InsertLayer
from caffelungo.layers.kinds import HEADS
from caffelungo.passes import joined_units, new_units, parallel_units, unit_places
from caffelungo.passes.base import Note, Refusal, Rewrite, Step, step
from caffelungo.passes.default_layers import unit_layer
from caffelungo.passes.names import Names
from caffelungo.passes.new_units import Built, UnitOptions
from caffelungo.passes.option_fields import option
from caffelungo.passes.parallel_units import Group
from caffelungo.passes.registry import GROW, Given, register
from caffelungo.passes.unit_places import Place
from caffelungo.passes.view import Graph, View
from caffelungo.passes.widen import read_by_heads
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class RecursiveOptions:
    """``layers``: (layer, how many units and how) pairs from the bottom up. A single one is the upper layer: the one
    below it is found, and gets half as many units."""

    layers: tuple[tuple[str, UnitOptions], ...]
    suffix: str = "recursive"


@dataclass(frozen=True)
class Chain:
    """What a recipe says of ``recursive``: the upper layer and its units, and those of the one below it."""

    layer: str = option("The upper layer (default: the one that feeds the classifier).", absent="")
    unit: UnitOptions = option("The new units.")
    below: str = option("The layer below (default: the one that feeds it).", default="")
    below_units: int | None = option(
        "Number of new units beside the layer below (default: half as many).", default=None, bounds=WHOLE
    )


@dataclass(frozen=True)
class _Chained:
    """``recursive`` with the layers that a recipe leaves to the net."""

    chain: Chain

    def __call__(self, view: View) -> Rewrite:
        upper, unit = self.chain.layer or unit_layer(view), self.chain.unit
        layers = [(upper, unit)]
        if self.chain.below or self.chain.below_units:
            place = below(view, view.graph, unit_places.find_place(view, view.graph, upper, "recursive"))
            lower = self.chain.below or (place.target.name if place is not None else "")
            if lower:
                units = self.chain.below_units or max(1, unit.units // 2)
                layers.insert(0, (lower, replace(unit, units=units)))
        return recursive(view, RecursiveOptions(tuple(layers)))


def _asked(given: Given) -> list[Step]:
    layers = given.get("recursive")
    return [step(recursive, RecursiveOptions(tuple(layers)))] if layers else []


@register("recursive", verb=GROW, flag="--recursive", order=40, options=Chain, bind=_Chained, asked=_asked,
          help="New units beside a layer and the one below; new units read old and new ones.")  # fmt: skip
def recursive(view: View, options: RecursiveOptions) -> Rewrite:
    """The rewrite; Refusal when the layers do not follow each other, or where ``widen`` refuses."""
    graph = view.graph
    for layer, unit in options.layers:
        new_units.check_units(layer, unit)
    levels = [(unit_places.find_place(view, graph, name, "--recursive"), unit) for name, unit in options.layers]
    joined_units.refuse(view, graph, levels[-1][0], "--recursive")
    if len(levels) == 1:
        levels.insert(0, _below(view, graph, *levels[0]))
    names = Names(view)
    groups: list[Group] = []
    heads = new_units.heads_behind(view, graph, levels[-1][0].target, levels[-1][0].last.top_values[0], "widening")
    bottom: str | None = None
    edits = []
    for k, (place, unit) in enumerate(levels):
        top = k == len(levels) - 1
        group = parallel_units.add_group(view, graph, place, names, unit, "wide", reads=bottom, rewire=top)
        groups.append(group)
        edits += group.edits
        if not top:
            path = _path(view, graph, place, levels[k + 1][0])
            built = Built([], group.wide)
            new_units.follow(built, path, names, "wide")
            at = levels[k + 1][0].last.index + 1
            edits += [InsertLayer(at, one) for one in built.layers]
            bottom = built.top
    changed, moved, notes = read_by_heads(view, graph, heads, groups[-1], levels[-1][1], options.suffix)
    why = Note(
        f"`{levels[-1][0].base}` still reads `{graph.plan.values[levels[-1][0].reads].blob}` without new units",
        view.where(levels[-1][0].target.index),
        "new units read old and new ones, pre-trained units only pre-trained ones",
    )
    return Rewrite(
        (*edits, *changed),
        (*(move for group in groups for move in group.moves), *moved),
        (*(note for group in groups for note in group.notes), why, *notes),
    )


def below(view: View, graph: Graph, place: Place) -> Place | None:
    """The place under ``place``: the layer or block that makes what it reads; None when that is the picture."""
    value = place.reads
    while value in graph.producer:
        maker = graph.producer[value]
        if maker.layer.source or not maker.bottom_values:
            return None
        if maker.layer.type in HEADS or (maker.layer.type in unit_places.BLOCKS and len(maker.bottoms) > 1):
            return unit_places.find_place(view, graph, maker.name, "--recursive")
        value = maker.bottom_values[0]
    return None


def _below(view: View, graph: Graph, upper: Place, unit: UnitOptions) -> tuple[Place, UnitOptions]:
    place = below(view, graph, upper)
    if place is None:
        raise Refusal(
            f"below `{upper.base}` there is no layer with units",
            view.where(upper.target.index),
            remedy="use --widen, which adds units beside one layer",
        )
    return place, replace(unit, units=max(1, unit.units // 2), keep_head=False)


def _path(view: View, graph: Graph, lower: Place, upper: Place) -> Sequence[PlannedLayer]:
    """The layers without weights between what ``lower`` makes and what ``upper`` reads."""
    path: list[PlannedLayer] = []
    value = upper.reads
    while value != lower.last.top_values[0]:
        maker = graph.producer.get(value)
        if maker is None or len(maker.bottoms) != 1 or len(maker.tops) != 1 or maker.params:
            raise Refusal(
                f"`{upper.base}` does not read the output of `{lower.base}`",
                view.where(upper.target.index),
                received=f"it reads `{graph.plan.values[upper.reads].blob}`",
                remedy="name the layer below it, or only the upper one: --recursive "
                + shell.word(f"{upper.target.name}:UNITS"),
            )
        path.insert(0, maker)
        value = maker.bottom_values[0]
    return path
