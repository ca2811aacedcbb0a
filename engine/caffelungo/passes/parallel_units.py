"""A group of new units beside an old layer, joined with it in a Concat: what ``widen``, ``joint`` and ``recursive`` do.

    before:  fc6 -> fc7 -> relu7 -> drop7 -> ...
    after:   fc6 -> fc7 -> relu7 -> norm7 -> drop7 --------------.
             fc6 -> fc7_new -> relu7_new -> norm7_new -> drop7_new -> fc7_wide (Concat) -> ...

Beside a Concat or an Eltwise (the end of a fire module, an inception module, a residual block) the new units are a
convolution on what the whole block reads. Beside what was joined earlier (``fc7_wide``) a further group is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from caffelungo.definition.edits import Edit, InsertLayer, SetField
from caffelungo.definition.schema import LayerParameter
from caffelungo.layers.base import shape_text
from caffelungo.layers.kinds import HEADS, NONLINEAR, SIZED
from caffelungo.passes import eltwise_copies, moves, new_units, unit_copies
from caffelungo.passes.base import Note, Refusal
from caffelungo.passes.eltwise_copies import Sum
from caffelungo.passes.moves import Move
from caffelungo.passes.names import Names, norm_name, root
from caffelungo.passes.new_units import Built, UnitOptions
from caffelungo.passes.rewire import lead, reconnect
from caffelungo.passes.unit_copies import Originals
from caffelungo.passes.unit_places import Place, channels
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted


@dataclass
class Group:
    """New units and the Concat that joins them, as edits. ``wide`` is the joined blob, ``channels`` how many old ones
    it has, ``picks`` which old unit each new one copies."""

    place: Place
    wide: str
    first: str
    channels: int | None
    edits: list[Edit] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    picks: tuple[int, ...] | None = None


def add_group(
    view: View,
    graph: Graph,
    place: Place,
    names: Names,
    unit: UnitOptions,
    wide: str,
    *,
    reads: str | None = None,
    rewire: bool = True,
) -> Group:
    """The new group, and the readers of the old units led to the joined blob.

    ``reads``: the blob that the new units read instead of what the old ones read. ``rewire`` False: the old units go
    on as they were to those that read them; only a copy of them is normalized and joined.
    """
    target, last = place.target, place.last
    base = root(place.base, wide, unit.suffix)
    name = names.take(f"{base}_{wide}")
    group = Group(place, name, "", channels(graph, last))
    old_top = (place.before or [target])[-1].tops[0]
    if not rewire:
        old_top = _copy_of_old(view, graph, place, names, unit, base, group.edits, wide)
    elif unit.normalizes_old and not place.joined:
        norm = names.take(norm_name(base))
        at = (place.before or [target])[-1].index + 1
        layer = new_units.normalize(norm, old_top, norm, unit.scale)
        group.edits.append(InsertLayer(at, layer, "Unit length over the channels, times a learned factor a channel."))
        old_top = reconnect(place.after, norm, group.edits)
    elif place.after:
        old_top = last.tops[0]
    new = build_units(view, graph, place, names, unit, base, group, reads)
    concat = LayerParameter(name=name, type="Concat", bottom=[old_top, new.top], top=[name])
    for k, layer in enumerate([*new.layers, concat]):
        group.edits.append(InsertLayer(last.index + 1, layer, comment(place.base, unit) if k == 0 else None))
    if rewire:
        group.edits += lead(view, graph, last.top_values[0], name)
    return group


def build_units(
    view: View,
    graph: Graph,
    place: Place,
    names: Names,
    unit: UnitOptions,
    base: str,
    group: Group,
    reads: str | None = None,
) -> Built:
    """The layers of the new units, yet to be inserted; ``group`` gets their first layer, moves, notes and picks."""
    target = place.target
    source = total = None
    if unit.start != "filler" and target.layer.type == "Eltwise" and reads is None:
        total = eltwise_copies.find(view, graph, target, place.chain, unit)
    elif unit.start != "filler":
        source = unit_copies.originals(view, graph, target, place.chain, place.reads if reads is None else None, unit)
    if total is not None:
        new = _new_sum(view, graph, group, names, unit, base, total)
    else:
        new = _new_units(view, graph, place, names, unit, base, reads, source)
    group.first = next((one.name for one in new.layers if total and one.type == "Eltwise"), new.layers[0].name)
    read = reads or graph.plan.values[place.reads if source is None else source.reads].blob
    as_old = "" if reads else " like the old ones"
    if source is not None and source.trails[0][0] is not target:
        as_old = (
            f" like the units that they copy, those of {', '.join(f'`{trail[0].name}`' for trail in source.trails)}"
        )
    group.notes.append(
        Note(
            f"{counted(unit.units, 'new unit')} `{group.first}` beside `{place.base}`, joined in `{group.wide}`",
            view.where(target.index),
            f"{total.described(graph) if total else f'they read `{read}`{as_old}'}; the old layers are unchanged",
        )
    )
    if unit.normalize and unit.keeps:
        group.notes.append(
            Note(
                f"`{place.base}` is not normalized",
                view.where(target.index),
                "the classifier is kept and was trained on these features",
            )
        )
    if source is not None:
        picks = source.draw(unit)
        group.picks = tuple(source.channels[pick] for pick in picks)
        group.moves += unit_copies.copied(source, place.chain, new.layers, picks, unit)
    return new


def comment(base: str, unit: UnitOptions) -> str:
    """The comment above new units beside ``base``."""
    return f"{counted(unit.units, 'new unit')} beside {base}: {_START[unit.start]} and learn {new_units.pace(unit)}."


_START = {
    "filler": "they start from their fillers",
    "copy": "they start as copies of old ones with noise",
    "net2net": "they start as copies of old ones",
}


def _copy_of_old(
    view: View,
    graph: Graph,
    place: Place,
    names: Names,
    unit: UnitOptions,
    base: str,
    edits: list[Edit],
    wide: str,
) -> str:
    """The old units for new readers only: normalized, with a separate Dropout. What old layers read stays.

    A Dropout in place gets a new top, since what it would overwrite now has a second reader.
    """
    last = place.last
    source = (place.before or [place.target])[-1].tops[0]
    if not unit.normalize or place.joined:
        return last.tops[0]
    norm = names.take(norm_name(base))
    at = (place.before or [place.target])[-1].index + 1
    edits.append(InsertLayer(at, new_units.normalize(norm, source, norm, unit.scale), "Only new units read this copy."))
    built = Built([], norm)
    new_units.follow(built, place.after, names, wide)
    edits += [InsertLayer(last.index + 1, one) for one in built.layers]
    blob = source
    for one in place.after:
        if not all(one.in_place):
            return built.top
        top = names.take(f"{one.name}_out")
        edits += [SetField(("layer", one.index, "bottom", 0), blob), SetField(("layer", one.index, "top", 0), top)]
        blob = top
    if blob != source:
        edits += lead(view, graph, last.top_values[0], blob)
    return built.top


def _new_units(
    view: View,
    graph: Graph,
    place: Place,
    names: Names,
    unit: UnitOptions,
    base: str,
    reads: str | None,
    source: Originals | None,
) -> Built:
    target = place.target
    bottom = reads or graph.plan.values[place.reads].blob
    name = names.take(f"{base}_{unit.suffix}")
    inner: list[PlannedLayer] = []
    if source is not None:
        inner = list(source.neurons)
        blob = graph.plan.values[source.reads].blob
        first = new_units.units_like(view.net.layer[source.example.index], name, blob, unit)
    elif target.layer.type in HEADS:
        first = new_units.units_like(view.net.layer[target.index], name, bottom, unit, whole=reads is not None)
    else:
        like = view.net.layer[place.branch[0].index] if place.branch else None
        if place.joined and like is not None and place.branch[0].bottom_values[0] == place.reads:
            first = new_units.units_like(like, name, bottom, unit)
        else:
            first = new_units.convolution(name, bottom, *_geometry(view, graph, place, unit), unit, like)
        inner = place.branch[1:]
    built = Built([first], name)
    chain = [*inner, *place.before] if source is not None else _once([*inner, *place.before])
    new_units.follow(built, chain, names, unit.suffix)
    plain = target.layer.type in HEADS or place.joined or source is not None
    if not plain and not any(one.layer.type in NONLINEAR for one in chain):
        end = built.top
        built.layers.append(LayerParameter(name=names.take(f"{name}_relu"), type="ReLU", bottom=[end], top=[end]))
    _finish(built, chain, place, names, unit, base)
    return built


def _new_sum(view: View, graph: Graph, group: Group, names: Names, unit: UnitOptions, base: str, total: Sum) -> Built:
    """Copies of channels of an Eltwise, with their moves put into ``group``."""
    name = names.take(f"{base}_{unit.suffix}")
    drawn = np.random.default_rng(unit.seed).integers(total.channels, size=unit.units)
    group.picks = tuple(int(one) for one in drawn)
    built, work = eltwise_copies.build(view, graph, names, total, name, group.picks, unit)
    first = len(built.layers)
    new_units.follow(built, group.place.before, names, unit.suffix)
    sized = [one for one in group.place.before if one.layer.type in SIZED]
    for one, new in zip(sized, [one for one in built.layers[first:] if one.type in SIZED], strict=True):
        work.append(moves.sample([one.name], new.name, group.picks, unit_copies.learned(one)))
    group.moves += work
    _finish(built, group.place.before, group.place, names, unit, base)
    return built


def _finish(
    built: Built, chain: Sequence[PlannedLayer], place: Place, names: Names, unit: UnitOptions, base: str
) -> None:
    """Normalize, unless ``chain`` has it, and Dropout behind new units."""
    if unit.normalize and unit.start != "net2net" and not any(one.layer.type == "Normalize" for one in chain):
        norm = names.take(norm_name(base, unit.suffix))
        scale = unit.scale if unit.new_scale is None else unit.new_scale
        built.layers.append(new_units.normalize(norm, built.top, norm, scale))
        built.top = norm
    new_units.follow(built, place.after, names, unit.suffix)


def _once(chain: list[PlannedLayer]) -> list[PlannedLayer]:
    """``chain`` without a second layer of a type that does nothing twice (a ReLU in the branch and one behind it)."""
    result: list[PlannedLayer] = []
    for one in chain:
        if not (one.layer.type == "ReLU" and any(other.layer.type == "ReLU" for other in result)):
            result.append(one)
    return result


def _geometry(view: View, graph: Graph, place: Place, unit: UnitOptions) -> tuple[int, int]:
    """Kernel and stride of a convolution that ends at the size of the block's output."""
    source, result = graph.shape(place.reads), graph.shape(place.target.top_values[0])
    inside, outside = new_units.spatial(source), new_units.spatial(result)
    if source is not None and len(source) == 4 and None in source[2:] and place.reads in place.target.bottom_values:
        # A block that joins what it reads keeps its size, whatever that is.
        return unit.kernel or (1 if (source[1] or 0) > new_units.WIDE_KERNEL_CHANNELS else 3), 1
    if source is None or inside is None or outside is None or None in (*inside, *outside):
        raise Refusal(
            f"the sizes of what `{place.target.name}` reads and makes are not known from the file",
            view.where(place.target.index),
            received=f"{shape_text(source)} -> {shape_text(result)}",
            remedy="write crop_size into the data layers' transform_param",
        )
    width = source[1] or 0
    small = min(outside[0] or 0, outside[1] or 0) < 3
    kernel = unit.kernel or (1 if width > new_units.WIDE_KERNEL_CHANNELS or small else 3)
    for stride in range(1, 9):
        sizes = tuple((int(size or 0) + 2 * (kernel // 2) - kernel) // stride + 1 for size in inside)
        if sizes == outside:
            return kernel, stride
    raise Refusal(
        f"no convolution of `{graph.plan.values[place.reads].blob}` has the size of `{place.target.tops[0]}`",
        view.where(place.target.index),
        received=f"{shape_text(source)} -> {shape_text(result)}",
        remedy="widen a layer whose block keeps the size of the picture",
    )
