"""New units beside a layer, read together with the old ones by a new classifier (WA-CNN of Growing a Brain).

    before:  fc6 -> fc7 -> relu7 -> drop7 -> fc8
    after:   fc6 -> fc7 -> relu7 -> norm7 -> drop7 --------------.
             fc6 -> fc7_new -> relu7_new -> norm7_new -> drop7_new -> fc7_wide (Concat) -> fc8_wide

The old layers keep their names, inputs and weights, so what they compute is what it was. Beside a Concat or an Eltwise
(the end of a fire module, an inception module, a residual block) the new units are a convolution on what the whole
block reads. Beside what an earlier ``widen`` joined (``fc7_wide``) a further group is added in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.definition.edits import Edit, InsertLayer, SetField
from caffelungo.definition.schema import LayerParameter
from caffelungo.layers.base import shape_text
from caffelungo.layers.plan import PlannedLayer
from caffelungo.passes import branch
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.branch import Built, Names, UnitOptions
from caffelungo.passes.heads import fresh_head
from caffelungo.passes.view import HEADS, NEURONS, NONLINEAR, Graph, View

BLOCKS = frozenset({"Concat", "Eltwise", "Scale"})
"""Layers that, with several bottoms, end a block of several branches (Scale: the gate of an SE block)."""


@dataclass(frozen=True)
class WidenOptions:
    """``layer``: beside which layer (or blob); ``unit``: how many units and how they are made."""

    layer: str
    unit: UnitOptions
    wide: str = "wide"


@dataclass
class _Place:
    """Where new units go: what they read, the chain that the old ones pass, and the block's last branch to copy."""

    target: PlannedLayer
    reads: int
    branch: list[PlannedLayer]
    before: list[PlannedLayer]
    after: list[PlannedLayer]
    joined: bool = False
    """Whether the block joins groups of units that are normalized already."""

    @property
    def chain(self) -> list[PlannedLayer]:
        return [*self.before, *self.after]


def widen(view: View, options: WidenOptions) -> Rewrite:
    """The rewrite; Refusal when an old layer would change, or when what the new units should read is not known."""
    graph, unit = view.graph, options.unit
    if unit.units < 1:
        raise Refusal("no units to add", received=f"{options.layer}:{unit.units}", remedy="write a number from 1")
    place = _place(view, graph, options)
    target, last = place.target, (place.chain or [place.target])[-1]
    heads = branch.heads_behind(view, graph, target, last.top_values[0], "widening")
    names = Names(view)
    base = target.tops[0] if target.layer.type not in HEADS else target.name
    edits: list[Edit] = []

    old_top = (place.before or [target])[-1].tops[0]
    if unit.normalize and not place.joined:
        norm = names.norm(base)
        at = (place.before or [target])[-1].index + 1
        layer = branch.normalize(norm, old_top, norm, unit.scale)
        edits.append(InsertLayer(at, layer, "Unit length over the channels, times a learned factor a channel."))
        old_top = _reconnect(view, place, norm, edits)
    elif place.after:
        old_top = last.tops[0]

    new = _new_units(view, graph, place, names, unit)
    wide = names.take(f"{base}_{options.wide}")
    concat = LayerParameter(name=wide, type="Concat", bottom=[old_top, new.top], top=[wide])
    comment = f"{unit.units} new units beside {base}: they start from their fillers and learn ten times as fast."
    for k, layer in enumerate([*new.layers, concat]):
        edits.append(InsertLayer(last.index + 1, layer, comment if k == 0 else None))
    notes = [
        Note(
            f"{unit.units} new units `{new.layers[0].name}` beside `{base}`, joined in `{wide}`",
            view.where(target.index),
            f"they read `{graph.plan.values[place.reads].blob}` as the old ones do; the old layers stay as they are",
        )
    ]
    for reader in graph.consumers(last.top_values[0]):
        for k, value in enumerate(reader.bottom_values):
            if value == last.top_values[0]:
                edits += _read_wide(view, reader, k, wide)
    for one in heads:
        fresh = fresh_head(view, one.head, options.wide, rates=unit.rates)
        edits += fresh.edits
        notes += fresh.notes
    return Rewrite(tuple(edits), (), tuple(notes))


def _read_wide(view: View, reader: PlannedLayer, k: int, wide: str) -> list[Edit]:
    if not reader.in_place[0]:
        return [SetField(("layer", reader.index, "bottom", k), wide)]
    raise Refusal(
        f"`{reader.name}` overwrites `{reader.bottoms[k]}` in place behind what is widened",
        view.where(reader.index),
        remedy=f"give `{reader.name}` a top of its own",
    )


def _place(view: View, graph: Graph, options: WidenOptions) -> _Place:
    target = view.find(options.layer, "--widen")
    branch.refuse_rules(view, target)
    branch.refuse_head(view, target, graph)
    before, after = branch.split_chain(graph.chain(target))
    if target.layer.type in HEADS:
        return _Place(target, target.bottom_values[0], [target], before, after)
    if target.layer.type in BLOCKS and len(target.bottoms) > 1:
        reads = graph.dominator(target.bottom_values)
        if reads is None:
            raise Refusal(
                f"the branches that end in `{target.name}` have no common input",
                view.where(target.index),
                received=", ".join(target.bottoms),
                remedy="widen a layer further up",
            )
        return _Place(target, reads, _longest_branch(graph, target, reads), before, after, _joined(graph, target))
    raise Refusal(
        f"`{target.name}` ({target.layer.type}) has no units of its own that others could stand beside",
        view.where(target.index),
        received=f"--widen {options.layer}",
        remedy="name an InnerProduct, a Convolution, or the Concat or Eltwise that ends a block",
    )


def _joined(graph: Graph, target: PlannedLayer) -> bool:
    """Whether every bottom of a Concat comes out of a Normalize, or of another such Concat."""
    for value in target.bottom_values if target.layer.type == "Concat" else ():
        maker = graph.producer.get(value)
        while maker is not None and maker.layer.type == "Dropout":
            maker = graph.producer.get(maker.bottom_values[0])
        if maker is None or (maker.layer.type != "Normalize" and not _joined(graph, maker)):
            return False
    return target.layer.type == "Concat"


def _longest_branch(graph: Graph, target: PlannedLayer, reads: int) -> list[PlannedLayer]:
    """The convolution with the most neurons behind it among those that end in ``target``, and those neurons."""
    found: list[PlannedLayer] = []
    for value in target.bottom_values[: 1 if target.layer.type == "Scale" else None]:
        trail: list[PlannedLayer] = []
        while value in graph.producer and value != reads:
            maker = graph.producer[value]
            trail.insert(0, maker)
            if maker.layer.type not in NEURONS or len(maker.bottoms) != 1:
                break
            value = maker.bottom_values[0]
        if trail and trail[0].layer.type in HEADS and len(trail) >= len(found):
            found = trail
    return found


def _reconnect(view: View, place: _Place, norm: str, edits: list[Edit]) -> str:
    """Let the old Dropout layers read the normalized blob; returns the blob the old part ends in."""
    blob = norm
    for one in place.after:
        edits.append(SetField(("layer", one.index, "bottom", 0), blob))
        if all(one.in_place):
            edits.append(SetField(("layer", one.index, "top", 0), blob))
        else:
            blob = one.tops[0]
    return blob


def _new_units(view: View, graph: Graph, place: _Place, names: Names, unit: UnitOptions) -> Built:
    target = place.target
    bottom = graph.plan.values[place.reads].blob
    if target.layer.type in HEADS:
        name = names.take(f"{target.name}_{unit.suffix}")
        first = branch.units_like(view.net.layer[target.index], name, bottom, unit)
        inner: list[PlannedLayer] = []
    else:
        name = names.take(f"{target.tops[0]}_{unit.suffix}")
        like = view.net.layer[place.branch[0].index] if place.branch else None
        if place.joined and like is not None and place.branch[0].bottom_values[0] == place.reads:
            first = branch.units_like(like, name, bottom, unit)
        else:
            first = branch.convolution(name, bottom, *_geometry(view, graph, place, unit), unit, like)
        inner = place.branch[1:]
    built = Built([first], name)
    chain = _once([*inner, *place.before])
    branch.follow(built, chain, names, unit.suffix)
    if target.layer.type not in HEADS and not any(one.layer.type in NONLINEAR for one in chain):
        end = built.top
        built.layers.append(LayerParameter(name=names.take(f"{name}_relu"), type="ReLU", bottom=[end], top=[end]))
    if unit.normalize and not any(one.layer.type == "Normalize" for one in chain):
        norm = names.take(f"{_norm_name(names, target)}_{unit.suffix}")
        scale = unit.scale if unit.new_scale is None else unit.new_scale
        built.layers.append(branch.normalize(norm, built.top, norm, scale))
        built.top = norm
    branch.follow(built, place.after, names, unit.suffix)
    return built


def _norm_name(names: Names, target: PlannedLayer) -> str:
    base = target.tops[0] if target.layer.type not in HEADS else target.name
    probe = Names(names.view)
    return probe.norm(base)


def _once(chain: list[PlannedLayer]) -> list[PlannedLayer]:
    """``chain`` without a second layer of a type that does nothing twice (a ReLU in the branch and one behind it)."""
    result: list[PlannedLayer] = []
    for one in chain:
        if not (one.layer.type == "ReLU" and any(other.layer.type == "ReLU" for other in result)):
            result.append(one)
    return result


def _geometry(view: View, graph: Graph, place: _Place, unit: UnitOptions) -> tuple[int, int]:
    """Kernel and stride of a convolution that ends at the size of the block's output."""
    source, result = graph.shape(place.reads), graph.shape(place.target.top_values[0])
    inside, outside = branch.spatial(source), branch.spatial(result)
    if source is None or inside is None or outside is None or None in (*inside, *outside):
        raise Refusal(
            f"the sizes of what `{place.target.name}` reads and makes are not known from the file",
            view.where(place.target.index),
            received=f"{shape_text(source)} -> {shape_text(result)}",
            remedy="write crop_size into the data layers' transform_param",
        )
    channels = source[1] or 0
    small = min(outside[0] or 0, outside[1] or 0) < 3
    kernel = unit.kernel or (1 if channels > branch.WIDE_KERNEL_CHANNELS or small else 3)
    for stride in range(1, 9):
        sizes = tuple((int(size or 0) + 2 * (kernel // 2) - kernel) // stride + 1 for size in inside)
        if sizes == outside:
            return kernel, stride
    raise Refusal(
        f"no convolution on `{graph.plan.values[place.reads].blob}` has the size of `{place.target.tops[0]}`",
        view.where(place.target.index),
        received=f"{shape_text(source)} -> {shape_text(result)}",
        remedy="widen a layer whose block keeps the size of the picture",
    )
