"""Old and new units at the classifier's input: where each group's channels are, found from the graph alone. No torch.

fc7 -> relu7 -> norm7 -----------.
                                  fc7_wide (Concat) -> fc8_wide        old: channels 0..4095
fc7_new -> relu7_new -> norm7_new'                                     new: channels 4096..6143
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from caffelungo.layers.kinds import HEADS, NEURONS, PASSING
from caffelungo.passes.view import Graph
from caffelungo.plan.plan import PlannedLayer

JOINING = frozenset({"Dropout", "Normalize"})
"""What may be between units and the Concat that joins them."""


@dataclass(frozen=True)
class Leaf:
    """Channels ``start`` to ``stop`` of what is read: the units of ``maker``, as they are in ``value`` (not yet
    normalized or dropped)."""

    start: int
    stop: int
    value: int
    maker: PlannedLayer
    new: bool


@dataclass(frozen=True)
class UnitGroup:
    """Units that came into the net together. ``spans`` are their channels in what is read, ``layers`` their makers."""

    name: str
    new: bool
    spans: tuple[tuple[int, int], ...]
    leaves: tuple[Leaf, ...]

    @property
    def layers(self) -> list[str]:
        return list(dict.fromkeys(leaf.maker.name for leaf in self.leaves))

    @property
    def units(self) -> int:
        """How many channels it has."""
        return sum(stop - start for start, stop in self.spans)


@dataclass(frozen=True)
class Top:
    """The end of a net: ``reader`` reads ``value``, whose channels are ``leaves``; ``groups`` where old and new ones
    are joined there, else none. ``reader`` is the classifier, or a new layer below it that reads both."""

    reader: PlannedLayer
    value: int
    leaves: tuple[Leaf, ...]
    groups: tuple[UnitGroup, ...]


def find_top(graph: Graph, head: PlannedLayer, new: Collection[str]) -> Top:
    """What ``head`` reads. ``new`` names the layers with parameters that the pre-trained net did not have."""
    reader = head
    while True:
        value = reader.bottom_values[0]
        leaves = tuple(_leaves(graph, value, 0, _channels(graph, value), new))
        if _joined(leaves) or len(leaves) != 1 or leaves[0].maker.name not in new or not leaves[0].maker.bottom_values:
            break
        if leaves[0].maker.layer.type not in HEADS:
            break
        reader = leaves[0].maker
    if _joined(leaves):
        return Top(reader, value, leaves, _groups(leaves))
    value = head.bottom_values[0]
    leaves = tuple(_leaves(graph, value, 0, _channels(graph, value), new))
    return Top(head, value, leaves, _features(graph, value, leaves, new))


def output_of(graph: Graph, planned: PlannedLayer) -> int:
    """The value that holds the units of ``planned``: behind its BatchNorm, Scale and non-linearity, if there are."""
    value = planned.top_values[0]
    for follower in graph.chain(planned):
        if follower.layer.type not in NEURONS - JOINING:
            break
        value = follower.top_values[0]
    return value


def _joined(leaves: Collection[Leaf]) -> bool:
    return len({leaf.new for leaf in leaves}) == 2


def _channels(graph: Graph, value: int) -> int:
    shape = graph.shape(value)
    return int(shape[1] or 0) if shape is not None and len(shape) > 1 else 0


def _leaves(graph: Graph, value: int, start: int, width: int, new: Collection[str]) -> Iterator[Leaf]:
    """The makers of channels ``start`` to ``start + width``, which are those of ``value``, in order."""
    units = value
    while value in graph.producer:
        maker = graph.producer[value]
        kind = maker.layer.type
        if kind == "Concat" and _along_channels(maker):
            whole = sum(_channels(graph, bottom) for bottom in maker.bottom_values)
            times = width // whole if whole else 0
            if times and whole * times == width:  # behind a Flatten each channel is a run of values
                for bottom in maker.bottom_values:
                    part = _channels(graph, bottom) * times
                    yield from _leaves(graph, bottom, start, part, new)
                    start += part
                return
        if kind in HEADS or len(maker.bottom_values) != 1 or kind not in NEURONS | PASSING:
            yield Leaf(start, start + width, units, maker, _is_new(graph, maker, new))
            return
        value = maker.bottom_values[0]
        if kind in JOINING | PASSING and kind not in NEURONS - JOINING:
            units = value
    yield from ()


def _along_channels(concat: PlannedLayer) -> bool:
    options = concat.layer.param.concat_param
    axis = options.concat_dim if options.HasField("concat_dim") else options.axis
    shape = concat.top_shapes[0]
    return axis == 1 or (shape is not None and axis + len(shape) == 1)


def _is_new(graph: Graph, maker: PlannedLayer, new: Collection[str]) -> bool:
    """Whether the units of ``maker`` are new: its weights, or of a sum or product the nearest ones, are."""
    while not maker.params:
        above = graph.producer.get(maker.bottom_values[0]) if maker.bottom_values else None
        if above is None:
            return False
        maker = above
    return maker.name in new


def _groups(leaves: tuple[Leaf, ...]) -> tuple[UnitGroup, ...]:
    """One group of old units, and one for each layer of new ones."""
    fresh = list(dict.fromkeys(leaf.maker.name for leaf in leaves if leaf.new))
    groups = [_group("old units", False, [leaf for leaf in leaves if not leaf.new])]
    for name in fresh:
        title = "new units" if len(fresh) == 1 else f"new units {name}"
        groups.append(_group(title, True, [leaf for leaf in leaves if leaf.new and leaf.maker.name == name]))
    return tuple(groups)


def _group(name: str, new: bool, leaves: list[Leaf]) -> UnitGroup:
    spans: list[tuple[int, int]] = []
    for leaf in leaves:
        if spans and spans[-1][1] == leaf.start:
            spans[-1] = (spans[-1][0], leaf.stop)
        else:
            spans.append((leaf.start, leaf.stop))
    return UnitGroup(name, new, tuple(spans), tuple(leaves))


def _features(graph: Graph, value: int, leaves: tuple[Leaf, ...], new: Collection[str]) -> tuple[UnitGroup, ...]:
    """Where no unit is new, the blobs that a new Normalize brings together: features of several depths."""
    while value in graph.producer:
        maker = graph.producer[value]
        if maker.layer.type == "Concat":
            break
        if len(maker.bottom_values) != 1 or maker.layer.type in HEADS:
            return ()
        value = maker.bottom_values[0]
    else:
        return ()
    groups, start, total = [], 0, sum(_channels(graph, bottom) for bottom in maker.bottom_values)
    times = leaves[-1].stop // total if total and leaves else 0
    fresh = False
    for bottom, blob in zip(maker.bottom_values, maker.bottoms, strict=True):
        stop = start + _channels(graph, bottom) * times
        inside = tuple(leaf for leaf in leaves if start <= leaf.start < stop)
        normalize = _normalize_above(graph, bottom)
        fresh = fresh or (normalize is not None and normalize.name in new)
        source = normalize.bottoms[0] if normalize is not None else blob
        groups.append(UnitGroup(f"features of {source}", False, ((start, stop),), inside))
        start = stop
    return tuple(groups) if fresh and times and len(groups) > 1 else ()


def _normalize_above(graph: Graph, value: int) -> PlannedLayer | None:
    while value in graph.producer:
        maker = graph.producer[value]
        if maker.layer.type == "Normalize":
            return maker
        if maker.layer.type not in PASSING or not maker.bottom_values:
            return None
        value = maker.bottom_values[0]
    return None
