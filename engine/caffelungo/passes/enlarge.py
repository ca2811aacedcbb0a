"""A layer with more units that computes what it computed: a net that was wide from the start (Net2WiderNet).

    before:  fc6 (4096) -> fc7 (4096) -> relu7 -> drop7 -> fc8
    after:   fc6 (4096) -> fc7 (6144) -> relu7 -> drop7 -> fc8        the same names; fc7 and fc8 with larger blobs
             fc7 has 2048 copies of units drawn before; what reads a unit and its copies divides its weights among them

Chen, Goodfellow, Shlens, Net2Net (2015). Unlike ``widen`` it adds nothing beside a layer: old and new units are one
layer, at one rate, and all of them pre-trained; Growing a Brain compares growth with such a net (table 7). The layers
that make the parts of a Concat share the new units; those that an Eltwise adds up all get the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from caffelungo.bounds import COUNT
from caffelungo.definition.edits import Edit, SetField
from caffelungo.layers.base import count, shape_text
from caffelungo.layers.kinds import APART, HEADS
from caffelungo.passes import moves
from caffelungo.passes.base import Note, Refusal, Rewrite, Step, step
from caffelungo.passes.default_layers import unit_layer
from caffelungo.passes.moves import Move
from caffelungo.passes.option_fields import SEED, option
from caffelungo.passes.param_blocks import options_field
from caffelungo.passes.registry import GROW, Given, register
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted

Order = tuple[int, ...]
"""For each new channel of a value the old one that it equals."""


@dataclass(frozen=True)
class EnlargeOptions:
    """``units`` more units for ``layer`` ("": as in ``widen``), copies drawn with ``seed``."""

    layer: str = option("The layer (default: the one whose units feed the classifier).", absent="")
    units: int = option("Number of units to add.", bounds=COUNT)
    seed: int = option("Random seed for the choice of copied units.", default=0, bounds=SEED, flag="--seed")


@dataclass
class _Work:
    view: View
    graph: Graph
    grown: dict[str, Order]
    edits: list[Edit] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    orders: dict[int, Order] = field(default_factory=dict)

    def refuse(self, planned: PlannedLayer, why: str) -> Refusal:
        return Refusal(
            f"`{planned.name}` ({planned.layer.type}) {why}",
            self.view.where(planned.index),
            remedy="add units beside the layer instead, which changes no old layer: lungo grow --widen",
        )


def _asked(given: Given) -> list[Step]:
    return [step(enlarge, EnlargeOptions(layer, unit.units, unit.seed)) for layer, unit in given.get("enlarge") or ()]


@register("enlarge", verb=GROW, flag="--enlarge", order=50, asked=_asked,
          help="More units for a layer, as copies of its units; the outputs do not change.")  # fmt: skip
def enlarge(view: View, options: EnlargeOptions) -> Rewrite:
    """The rewrite; Refusal where a layer behind would compute something else."""
    if options.units < 1:
        raise Refusal("at least one unit is needed", received=str(options.units), remedy="give a number above zero")
    graph = view.graph
    groups = _groups(view, graph, view.find(options.layer or unit_layer(view)))
    share, rest = divmod(options.units, len(groups))
    rng = np.random.default_rng(options.seed)
    grown: dict[str, Order] = {}
    for number, group in enumerate(groups):
        old = int(group[0].layer.options.num_output)
        picks = rng.integers(0, old, share + (number < rest))
        grown.update((maker.name, (*range(old), *(int(pick) for pick in picks))) for maker in group)
    work = _Work(view, graph, grown)
    for planned in graph.plan.layers:
        _visit(work, planned)
    return Rewrite(tuple(work.edits), tuple(work.moves), tuple(work.notes))


def _groups(view: View, graph: Graph, planned: PlannedLayer) -> list[list[PlannedLayer]]:
    """The layers with units whose outputs ``planned`` puts side by side; those that it adds up are one group.

    The layers of a group get the same copies, so that what is added up still belongs together.
    """
    kind = planned.layer.type
    if kind in HEADS:
        return [[planned]]
    above = [graph.producer.get(value) for value in planned.bottom_values]
    known = [one for one in above if one is not None and not one.layer.source]
    side_by_side = kind == "Concat" or (kind in APART and len(above) == 1)
    if len(known) == len(above) and (side_by_side or kind == "Eltwise"):
        parts = [_groups(view, graph, one) for one in known]
        if side_by_side:
            return [group for part in parts for group in part]
        if len({len(part) for part in parts}) == 1:
            return [_once(group) for group in zip(*parts, strict=True)]
    raise Refusal(
        f"`{planned.name}` ({kind}) has no units to copy",
        view.where(planned.index),
        remedy="name an InnerProduct or a Convolution, or a Concat or Eltwise of them",
    )


def _once(groups: Sequence[list[PlannedLayer]]) -> list[PlannedLayer]:
    return list({one.name: one for group in groups for one in group}.values())


def _visit(work: _Work, planned: PlannedLayer) -> None:
    read = [work.orders.get(value) for value in planned.bottom_values]
    touched = any(order is not None for order in read)
    kind = planned.layer.type
    if not touched and planned.name not in work.grown:
        return
    _refuse_sharing(work, planned)
    if kind in HEADS:
        if touched:
            _reads(work, planned, read[0])
        if planned.name in work.grown:
            _grow(work, planned)
        return
    if kind == "Concat" and planned.layer.options.axis == 1:
        work.orders[planned.top_values[0]] = _joined(work, planned, read)
        return
    if kind == "Eltwise" and len(set(read)) == 1:
        assert read[0] is not None
        work.orders[planned.top_values[0]] = read[0]
        return
    if planned.layer.channels_apart and len(planned.bottoms) == 1 and read[0] is not None:
        _sized(work, planned, read[0])
        for value in planned.top_values:
            work.orders[value] = read[0]
        return
    raise work.refuse(planned, "would compute something else with more channels")


def _refuse_sharing(work: _Work, planned: PlannedLayer) -> None:
    keys = {use.key for use in planned.params}
    for other in work.graph.plan.layers:
        if other is not planned and keys & {use.key for use in other.params}:
            raise work.refuse(planned, f"shares its weights with `{other.name}`, which would get another shape")


def _grow(work: _Work, planned: PlannedLayer) -> None:
    order = work.grown[planned.name]
    options = planned.layer.options
    old = int(options.num_output)
    if planned.layer.type == "Convolution" and options.group > 1:
        raise work.refuse(planned, "has groups, between which units cannot move")
    for index in work.view.named(planned.name):
        layer = work.view.net.layer[index]
        work.edits.append(SetField(("layer", index, options_field(layer), "num_output"), len(order)))
    transposed = planned.layer.type == "InnerProduct" and options.transpose
    work.moves.append(moves.gather(planned.name, 0, 1 if transposed else 0, order))
    if options.bias_term:
        work.moves.append(moves.gather(planned.name, 1, 0, order))
    work.orders[planned.top_values[0]] = order
    work.notes.append(
        Note(
            f"`{planned.name}` has {counted(len(order), 'unit')} instead of {old}",
            work.view.where(planned.index),
            "the new units are copies, and the layers that read them divide their weights, so outputs do not change",
        )
    )


def _reads(work: _Work, planned: PlannedLayer, order: Order | None) -> None:
    """``planned`` reads the channels of ``order``: its columns are copied and divided."""
    assert order is not None
    options, shape = planned.layer.options, planned.bottom_shapes[0]
    channels = max(order) + 1
    inputs = None if shape is None else count(shape[1:])
    convolution = planned.layer.type == "Convolution"
    if inputs is None or inputs % channels or options.axis != 1:
        raise work.refuse(planned, f"reads {shape_text(shape)}: which weights belong to which channel is not known")
    if convolution and options.group > 1:
        raise work.refuse(planned, "has groups, between which channels cannot move")
    axis = 0 if not convolution and options.transpose else 1
    work.moves.append(moves.gather(planned.name, 0, axis, order, 1 if convolution else inputs // channels, share=True))


def _joined(work: _Work, planned: PlannedLayer, read: Sequence[Order | None]) -> Order:
    joined: list[int] = []
    start = 0
    for shape, order in zip(planned.bottom_shapes, read, strict=True):
        size = shape[1] if shape is not None and len(shape) > 1 else None
        if size is None:
            raise work.refuse(planned, "has a part of unknown size")
        joined += [start + channel for channel in (order or range(size))]
        start += size
    return tuple(joined)


def _sized(work: _Work, planned: PlannedLayer, order: Order) -> None:
    """Blobs with one entry a channel (BatchNorm, Scale, Bias, PReLU) get those of the copies."""
    channels = max(order) + 1
    for position, use in enumerate(planned.params):
        if use.shape == (channels,):
            work.moves.append(moves.gather(planned.name, position, 0, order))
        elif count(use.shape) != 1:
            raise work.refuse(planned, f"has a blob of {shape_text(use.shape)} for {counted(channels, 'channel')}")
