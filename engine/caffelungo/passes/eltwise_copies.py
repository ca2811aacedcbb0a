"""Copies of the channels of an Eltwise, the end of a residual block: ``--start copy`` and ``--start net2net`` there.

    before:  x, x -> conv2 -> bn2 -> scale2                        -> res (Eltwise) -> relu
    after:   x -> res_new_shortcut (1x1, picks channels of x), x -> conv2_new -> bn2_new -> scale2_new
                                                                   -> res_new (Eltwise) -> relu_new

A channel is made of one unit of each branch, so its copy is made of copies of those; of what a shortcut passes on, a
1x1 Convolution whose weights are one 1 a unit takes the channel. It is new, so it learns like the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo.definition.schema import FillerParameter, LayerParameter
from caffelungo.layers.kinds import HEADS, SIZED
from caffelungo.passes import moves, new_units, unit_copies
from caffelungo.passes.base import Refusal
from caffelungo.passes.moves import Move
from caffelungo.passes.names import Names, root
from caffelungo.passes.new_units import Built, UnitOptions
from caffelungo.passes.param_blocks import give_rates
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class Term:
    """One bottom of an Eltwise: the layer that makes it and the neurons behind that, or, with no ``trail``, a value."""

    trail: tuple[PlannedLayer, ...]
    value: int


@dataclass(frozen=True)
class Sum:
    """What the channels of an Eltwise are made of."""

    target: PlannedLayer
    terms: tuple[Term, ...]
    channels: int

    def described(self, graph: Graph) -> str:
        """What copies are made of, for a note."""
        parts = [
            f"units of `{one.trail[0].name}`" if one.trail else f"channels of `{graph.plan.values[one.value].blob}`"
            for one in self.terms
        ]
        return f"each copies a channel of `{self.target.tops[0]}`, made of {' and '.join(parts)}"


def find(view: View, graph: Graph, target: PlannedLayer, chain: Sequence[PlannedLayer], unit: UnitOptions) -> Sum:
    """The terms of the Eltwise ``target``, with ``chain`` behind it; Refusal when its channels cannot be copied."""
    shape = target.top_shapes[0]
    if shape is None or len(shape) != 4 or shape[1] is None:
        raise Refusal(
            f"the number of channels of `{target.name}` is not known, or it is not a map",
            view.where(target.index),
            received=f"start {unit.start}",
            remedy="let the new units start from a filler",
        )
    terms = []
    for value in target.bottom_values:
        trail = unit_copies.trail_to(graph, value)
        # What others read, too, is what the block reads: it is passed on.
        own = bool(trail) and len(graph.consumers(value)) == 1
        copied = own and trail[0].layer.type in HEADS and unit_copies.form(trail) is not None
        terms.append(Term(tuple(trail), trail[0].bottom_values[0]) if copied else Term((), value))
    if not any(one.trail for one in terms):
        raise Refusal(
            f"no branch of `{target.name}` ends in an ungrouped Convolution, so there are no units to copy",
            view.where(target.index),
            received=f"start {unit.start}",
            remedy="let the new units start from a filler",
        )
    unit_copies.refuse_together(view, [*(layer for one in terms for layer in one.trail), *chain], unit)
    return Sum(target, tuple(terms), int(shape[1]))


def build(
    view: View, graph: Graph, names: Names, found: Sum, name: str, picks: Sequence[int], unit: UnitOptions
) -> tuple[Built, list[Move]]:
    """The layers of the copies ``picks``, ending in the blob ``name``, and the moves of their weights."""
    layers: list[Any] = []
    work: list[Move] = []
    tops: list[str] = []
    noise = unit.noise if unit.start == "copy" else 0.0
    for k, one in enumerate(found.terms):
        blob = graph.plan.values[one.value].blob
        if one.trail:
            old = one.trail[0]
            own = names.take(f"{root(old.name, 'new', 'wide', unit.suffix)}_{unit.suffix}")
            part = Built([new_units.units_like(view.net.layer[old.index], own, blob, unit)], own)
            new_units.follow(part, one.trail[1:], names, unit.suffix)
            sized = [layer for layer in one.trail[1:] if layer.layer.type in SIZED]
            fresh = [layer for layer in part.layers[1:] if layer.type in SIZED]
            work.append(moves.sample([old.name], own, picks, unit_copies.learned(old), noise, unit.seed + k))
            for layer, new in zip(sized, fresh, strict=True):
                work.append(moves.sample([layer.name], new.name, picks, unit_copies.learned(layer)))
        else:
            own = names.take(f"{name}_shortcut")
            part = Built([_shortcut(own, blob, unit)], own)
            work.append(moves.select(own, picks, found.channels))
        layers += part.layers
        tops.append(part.top)
    total = LayerParameter()
    total.CopyFrom(view.net.layer[found.target.index])
    total.name, total.bottom[:], total.top[:] = name, tops, [name]
    return Built([*layers, total], name), work


def _shortcut(name: str, blob: str, unit: UnitOptions) -> Any:
    layer = new_units.convolution(name, blob, 1, 1, unit)
    layer.convolution_param.bias_term = False
    layer.convolution_param.ClearField("bias_filler")
    if unit.filler is None:
        layer.convolution_param.weight_filler.CopyFrom(FillerParameter(type="msra"))
    give_rates(layer, unit.rates[:1])
    return layer
