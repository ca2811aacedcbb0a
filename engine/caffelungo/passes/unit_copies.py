"""Which old units new ones may copy, and the moves that copy them: ``--start copy`` and ``--start net2net``.

    beside a layer:   units of that layer, which read what the new ones read
    beside a Concat:  units of the last layers of its branches that read one blob; the new units read it, too
                      fire module: expand1x1 and expand3x3 (a 1x1 kernel is the centre of a 3x3 one)
                      inception module: the 1x1 branch, which reads what the module reads
    beside an Eltwise, where a channel is the sum of several units: see ``eltwise_copies``

Net2Net (Chen, Goodfellow, Shlens 2015): a copy has its original's weights, bias and neurons, statistics included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelungo.layers.kinds import HEADS, MIXING, NEURONS, SIZED
from caffelungo.passes import moves
from caffelungo.passes.base import Refusal
from caffelungo.passes.moves import Move
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class Originals:
    """Units that may be copied: those of the first layer of every one of ``trails``, one after the other.

    A trail is a layer and the neurons behind it within the block; all trails are alike and read the value ``reads``.
    ``channels`` are the places of their units among the channels of the block. ``example`` has the largest kernel.
    """

    reads: int
    trails: tuple[tuple[PlannedLayer, ...], ...]
    channels: tuple[int, ...]
    example: PlannedLayer

    @property
    def neurons(self) -> tuple[PlannedLayer, ...]:
        """The neurons of one trail, as an example for all."""
        return self.trails[0][1:]

    def draw(self, unit: UnitOptions) -> tuple[int, ...]:
        """For each new unit the original it copies."""
        drawn = np.random.default_rng(unit.seed).integers(len(self.channels), size=unit.units)
        return tuple(int(one) for one in drawn)


def originals(
    view: View, graph: Graph, target: PlannedLayer, chain: Sequence[PlannedLayer], reads: int | None, unit: UnitOptions
) -> Originals:
    """The units that new ones beside ``target``, with ``chain`` behind it, may copy.

    ``reads`` is what these read where they copy nothing; None when that is no value of the old net.

    Refusal when there are none, or when copies of them would not be what they are.
    """
    found = None
    if reads is not None:
        trails = [((target,), 0)] if target.layer.type in HEADS else list(_branches(graph, target, 0))
        found = _grouped(trails, reads)
    if found is None:
        raise Refusal(
            f"the new units beside `{target.name}` have no old units of the same form to copy: {_why(target)}",
            view.where(target.index),
            received=f"start {unit.start}",
            remedy="initialise them from a filler, and with --keep-head by `lungo init`, which uses "
            "the gradients; copies are made beside an InnerProduct, an ungrouped Convolution, a Concat or an Eltwise",
        )
    refuse_together(view, [*found.neurons, *chain], unit)
    return found


def refuse_together(view: View, neurons: Sequence[PlannedLayer], unit: UnitOptions) -> None:
    """Refusal where exact copies behind ``neurons`` would not be what their originals are."""
    together = next((one for one in neurons if one.layer.type in MIXING), None)
    if unit.start == "net2net" and together is not None:
        raise Refusal(
            f"after `{together.name}` ({together.layer.type}) copies would not equal their originals: "
            "it divides a group of units by the length of the whole group",
            view.where(together.index),
            received="start net2net",
            remedy="--start copy, which keeps no answers, or --keep-head, which keeps them with any start",
        )


def copied(
    source: Originals, chain: Sequence[PlannedLayer], new: Sequence[Any], picks: Sequence[int], unit: UnitOptions
) -> list[Move]:
    """The moves that make the layers ``new`` (units, then neurons) copies of the originals ``picks``."""
    noise = unit.noise if unit.start == "copy" else 0.0
    firsts = [trail[0] for trail in source.trails]
    result = [moves.sample([one.name for one in firsts], new[0].name, picks, learned(firsts[0]), noise, unit.seed)]
    followers = iter([layer for layer in new[1:] if layer.type in SIZED])
    for k, one in enumerate(source.neurons):
        if one.layer.type in SIZED:
            names = [trail[k + 1].name for trail in source.trails]
            result.append(moves.sample(names, next(followers).name, picks, learned(one)))
    places = [source.channels[pick] for pick in picks]
    for one in chain:
        if one.layer.type in SIZED:
            result.append(moves.sample([one.name], next(followers).name, places, learned(one)))
    return result


def learned(one: PlannedLayer) -> list[bool]:
    """Which blobs of ``one`` are learned; the others are statistics."""
    return [use.spec.learned for use in one.params]


def _branches(graph: Graph, block: PlannedLayer, first: int) -> Iterator[tuple[tuple[PlannedLayer, ...], int]]:
    """The trails that end in a Concat over channels, through further ones, each with its first channel."""
    if block.layer.type != "Concat" or not _over_channels(block):
        return
    for value in block.bottom_values:
        shape = graph.shape(value)
        if shape is None or shape[1] is None:
            return
        trail = trail_to(graph, value)
        if trail and trail[0].layer.type in HEADS:
            yield tuple(trail), first
        elif len(trail) == 1:
            yield from _branches(graph, trail[0], first)
        first += shape[1]


def trail_to(graph: Graph, value: int) -> list[PlannedLayer]:
    """The layers that end in ``value``: the nearest that is no neuron with one bottom, and the neurons behind it."""
    trail: list[PlannedLayer] = []
    maker = graph.producer.get(value)
    while maker is not None:
        trail.insert(0, maker)
        if maker.layer.type not in NEURONS or len(maker.bottoms) != 1:
            break
        maker = graph.producer.get(maker.bottom_values[0])
    return trail


def _over_channels(block: PlannedLayer) -> bool:
    layer: Any = block.layer
    return layer.along in (1, 1 - len(block.top_shapes[0] or ()))


def _grouped(found: Sequence[tuple[tuple[PlannedLayer, ...], int]], reads: int) -> Originals | None:
    """The trails that one new layer can copy: of those that read ``reads``, else one blob, the ones with most units."""
    groups: dict[Any, list[tuple[tuple[PlannedLayer, ...], int]]] = {}
    for trail, first in found:
        if (alike := form(trail)) is not None:
            groups.setdefault(alike, []).append((trail, first))
    best: Originals | None = None
    for group in groups.values():
        example = max((trail[0] for trail, _ in group), key=lambda one: np.prod(_kernel(one)))
        members = [
            (trail, first)
            for trail, first in group
            if all(a <= b for a, b in zip(_kernel(trail[0]), _kernel(example), strict=True))
        ]
        channels = [first + k for trail, first in members for k in range(int(trail[0].layer.options.num_output))]
        value = example.bottom_values[0]
        if best is None or (value == reads, len(channels)) > (best.reads == reads, len(best.channels)):
            best = Originals(value, tuple(trail for trail, _ in members), tuple(channels), example)
    return best


def _kernel(one: PlannedLayer) -> tuple[int, ...]:
    """The kernel of a Convolution; () for an InnerProduct."""
    if one.layer.type != "Convolution":
        return ()
    layer: Any = one.layer
    return tuple(layer.layout([one.bottom_shapes[0]])[2][0])


def form(trail: Sequence[PlannedLayer]) -> Any:
    """What trails that one layer can copy have in common; None for a layer that cannot be copied unit by unit."""
    first = trail[0]
    layer: Any = first.layer
    options = layer.options
    neurons = tuple(
        (one.layer.type, one.layer.options.SerializeToString() if one.layer.options_field else b"") for one in trail[1:]
    )
    common = (first.layer.type, first.bottom_values[0], bool(options.bias_term), int(options.axis), neurons)
    if len(first.tops) != 1 or first.bottom_shapes[0] is None:
        return None
    if first.layer.type == "InnerProduct":
        return None if options.transpose else common
    if options.group != 1:
        return None
    _axis, _axes, (kernel, stride, pad, dilation) = layer.layout([first.bottom_shapes[0]])
    # Kernels of different sizes are one when their centres coincide.
    centres = tuple(2 * p - (k - 1) * d for k, p, d in zip(kernel, pad, dilation, strict=True))
    spread = dilation if any(d > 1 for d in dilation) else ()
    return (*common, stride, centres, tuple(k % 2 for k in kernel), spread)


def _why(target: PlannedLayer) -> str:
    if target.layer.type in HEADS:
        return "its units are in groups or transposed, or have another input than the new ones"
    if target.layer.type == "Concat":
        return "no branch ends in an ungrouped Convolution or InnerProduct"
    return f"a channel of `{target.tops[0]}` is the product of the outputs of two layers, for all units at once"
