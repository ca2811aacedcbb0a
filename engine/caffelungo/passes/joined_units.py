"""New units beside a layer whose pooled features a classifier reads joined with others (see ``joined``).

    before:  fire9/concat -> fire9/concat_mean -> fire9/concat_mean_norm --------.
             fire9/concat -> fire9/concat_max -> fire9/concat_max_norm ----------+-> conv10_probe_in -> conv10_probe
    after:   ... the same ...                                                    |
             fire9/concat_new -> fire9/concat_new_mean -> fire9/concat_new_mean_norm
             fire9/concat_new -> fire9/concat_new_max -> fire9/concat_new_max_norm  -> conv10_probe_in -> conv10_wide

The new units read what the block reads, are pooled and brought to unit length as the old ones are, and their features
come last: the old columns of the classifier stay where they are. What else reads the old layer goes on as it was, so
units can be placed beside any layer that is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from caffelungo import shell
from caffelungo.definition.edits import Edit, InsertLayer, SetField
from caffelungo.definition.schema import LayerParameter
from caffelungo.layers.base import count
from caffelungo.layers.kinds import NEURONS
from caffelungo.passes import parallel_units
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.fresh_head import fresh_head, kept_head
from caffelungo.passes.moves import Move
from caffelungo.passes.names import Names, norm_name, root
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.parallel_units import Group
from caffelungo.passes.unit_places import Place
from caffelungo.passes.view import ClassifierLayer, Graph, View
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class Join:
    """Where pooled features of a layer end: ``end`` joins them with others, or is the classifier ``head`` itself.

    ``trails``: what pools each part of the layer's features, from the layer on.
    """

    head: ClassifierLayer
    end: PlannedLayer
    trails: tuple[tuple[PlannedLayer, ...], ...]


def pools(one: PlannedLayer) -> bool:
    """Whether ``one`` pools a whole plane, flattens what was pooled, or brings it to a length that is not learned."""
    if len(one.bottoms) != 1 or all(one.in_place):
        return False
    if one.layer.type == "Pooling":
        return bool(one.layer.options.global_pooling)
    if one.layer.type == "Normalize":
        rates = [block.lr_mult for block in one.layer.param.param]
        return bool(one.layer.options.channel_shared) and rates == [0]
    return bool(one.layer.type == "Flatten")


def sources(graph: Graph, one: PlannedLayer) -> list[PlannedLayer]:
    """The layers with units whose pooled features ``one`` joins, in its order; empty for any other layer.

    A layer that brings pooled features of one layer alone to unit length counts, mere pooling does not.
    """
    concat = one.layer.type == "Concat"
    found: dict[int, PlannedLayer] = {}
    pooled = False
    for value in one.bottom_values if concat else one.top_values[:1]:
        while pools(maker := graph.producer[value]):
            pooled = pooled or maker.layer.type in (("Pooling", "Normalize") if concat else ("Normalize",))
            value = maker.bottom_values[0]
        while maker.layer.type in NEURONS and len(maker.bottoms) == 1:
            maker = graph.producer[maker.bottom_values[0]]
        found[maker.index] = maker
    return list(found.values()) if pooled else []


def read_by(graph: Graph, head: PlannedLayer) -> list[PlannedLayer]:
    """The layers whose pooled features the classifier ``head`` reads, in the order of the file; empty for another."""
    maker = graph.producer.get(head.bottom_values[0])
    joined = sources(graph, maker) if maker is not None else []
    return sorted(joined, key=lambda one: one.index)


def find(view: View, graph: Graph, place: Place) -> tuple[Place, list[Join]]:
    """``place``, ending where its features are pooled, and the joins of those.

    Features that are pooled without a Normalize and that a classifier alone reads need no join: they widen as any.
    """
    chain = place.chain
    cut = next((k for k, one in enumerate(chain) if pools(one)), len(chain))
    if cut < len(chain):
        place = replace(place, before=chain[:cut], after=[])
    heads = {one.head.index: one for one in view.classifiers}
    ends: dict[int, tuple[ClassifierLayer, PlannedLayer, list[tuple[PlannedLayer, ...]]]] = {}
    for reader in graph.consumers(place.last.top_values[0]):
        trail: list[PlannedLayer] = []
        while pools(reader) and len(graph.consumers(reader.top_values[0])) == 1:
            trail.append(reader)
            reader = graph.consumers(reader.top_values[0])[0]
        lone = reader.index in heads and any(one.layer.type == "Normalize" for one in trail)
        head = heads.get(reader.index) if lone else _head_behind(graph, heads, reader)
        if head is not None and (lone or sources(graph, reader)):
            ends.setdefault(reader.index, (head, reader, []))[2].append(tuple(trail))
    return place, [Join(head, end, tuple(trails)) for head, end, trails in ends.values()]


def _head_behind(graph: Graph, heads: dict[int, ClassifierLayer], one: PlannedLayer) -> ClassifierLayer | None:
    """The classifier that alone reads the Concat ``one``."""
    readers = graph.consumers(one.top_values[0]) if one.layer.type == "Concat" else []
    return heads.get(readers[0].index) if len(readers) == 1 else None


def refuse(view: View, graph: Graph, place: Place, option: str) -> None:
    """Refusal for growth that only ``widen`` can do where pooled features are joined."""
    joined = sources(graph, place.target)
    if not joined and not find(view, graph, place)[1]:
        return
    layer = joined[-1].tops[0] if joined else place.base
    what = f"`{place.base}` joins pooled features" if joined else f"the classifier reads pooled features of `{layer}`"
    raise Refusal(
        f"{what}, and {option} is for units that a classifier reads unpooled",
        view.where(place.target.index),
        received=f"{option} {place.base}",
        remedy=f"add units whose features join the others: --widen {shell.word(f'{layer}:64')}",
    )


def widen(view: View, graph: Graph, place: Place, joins: Sequence[Join], unit: UnitOptions, wide: str) -> Rewrite:
    """New units at ``place``, their features joined with the old ones at each of ``joins``."""
    if unit.start == "net2net":
        raise Refusal(
            "copies change the length of pooled features, so the answers would change",
            view.where(place.target.index),
            received="--start net2net",
            remedy="omit --start, and add --keep-head, which keeps the answers",
        )
    names = Names(view)
    base = root(place.base, wide, unit.suffix)
    joined = [_joined(join, names, wide) for join in joins]
    group = Group(place, "` and `".join(joined), "", None)
    built = parallel_units.build_units(view, graph, place, names, replace(unit, normalize=False), base, group)
    edits: list[Edit] = [
        InsertLayer(place.last.index + 1, layer, parallel_units.comment(place.base, unit) if k == 0 else None)
        for k, layer in enumerate(built.layers)
    ]
    moves: list[Move] = list(group.moves)
    notes: list[Note] = list(group.notes)
    for join, name in zip(joins, joined, strict=True):
        head, tops = join.head.head, list[str]()
        for trail in join.trails:
            layers = _like(view, trail, place.base, built.top, names)
            edits += [InsertLayer(join.end.index, layer) for layer in layers]
            tops.append(layers[-1].name if layers else built.top)
        if join.end is head:
            concat = LayerParameter(name=name, type="Concat", bottom=[head.bottoms[0], *tops], top=[name])
            edits += [InsertLayer(head.index, concat), SetField(("layer", head.index, "bottom", 0), name)]
        else:
            old = len(join.end.bottoms)
            edits += [SetField(("layer", join.end.index, "bottom", old + k), top) for k, top in enumerate(tops)]
        shape = head.bottom_shapes[0]
        if unit.keeps:
            kept = kept_head(view, head, (count(shape[1:]) if shape else None) or 1, unit.units * len(tops))
            moves += kept.moves
            notes += kept.notes
        else:
            fresh = fresh_head(view, head, wide, rates=unit.rates)
            edits += fresh.edits
            notes += fresh.notes
    return Rewrite(tuple(edits), tuple(moves), tuple(notes))


def _joined(join: Join, names: Names, wide: str) -> str:
    """The blob that the classifier reads of old and new features."""
    head = join.head.head
    return names.take(f"{root(head.name, wide)}_in") if join.end is head else join.end.tops[0]


def _like(view: View, trail: Sequence[PlannedLayer], base: str, bottom: str, names: Names) -> list[Any]:
    """Copies of the layers ``trail``, which pool a blob ``base``, that pool the blob ``bottom``."""
    result: list[Any] = []
    stem = bottom
    for one in trail:
        layer = LayerParameter()
        layer.CopyFrom(view.net.layer[one.index])
        layer.ClearField("blobs")
        if one.layer.type == "Pooling":
            stem = f"{bottom}_{'mean' if layer.pooling_param.pool == layer.pooling_param.AVE else 'max'}"
        wanted = {"Flatten": f"{stem}_flat", "Normalize": norm_name(stem)}.get(one.layer.type, stem)
        layer.name = names.take(wanted)
        layer.bottom[:], layer.top[:] = [bottom], [layer.name]
        result.append(layer)
        bottom = layer.name
    return result
