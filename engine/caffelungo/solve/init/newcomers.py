"""New units in a grown net: the layers that the weights lack, and the way from them to the classifiers. No torch.

fc7_new -> relu7_new -> drop7_new -> fc7_wide (Concat) -> fc8      Newcomer(fc7_new, chain, [Outlet(fc8, columns)])
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from caffelungo.layers.base import count
from caffelungo.layers.kinds import HEADS, IDLE
from caffelungo.passes.view import Graph
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class Outlet:
    """A classifier that reads new units beside old ones.

    Its inputs ``start`` to ``start + units * width`` are theirs, ``width`` to a unit (the places of its map); for a
    Convolution they are channels, and the width is 1. ``path`` are the linear layers on the way (mean pooling,
    Flatten).
    """

    head: PlannedLayer
    start: int
    width: int
    path: tuple[PlannedLayer, ...]


@dataclass(frozen=True)
class Newcomer:
    """A layer of new ``units``, the ``chain`` of neurons behind it, and the classifiers that it reaches."""

    units: PlannedLayer
    chain: tuple[PlannedLayer, ...]
    outlets: tuple[Outlet, ...]

    @property
    def name(self) -> str:
        return self.units.name

    @property
    def size(self) -> int:
        """How many units there are."""
        return int(self.units.layer.options.num_output)


@dataclass(frozen=True)
class PassedOver:
    """A layer that the weights lack and that is no group of new units beside old ones, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class _Step:
    value: int
    start: int
    width: int
    path: tuple[PlannedLayer, ...]
    joined: bool


def fresh_layers(graph: Graph, heads: Collection[str], lacking: Collection[str]) -> list[PlannedLayer]:
    """The layers of weighted sums that the weights lack, classifiers left out, in the order of the net."""
    return [
        one for one in graph.plan.layers if one.layer.type in HEADS and one.name in lacking and one.name not in heads
    ]


def newcomers(
    graph: Graph, heads: Collection[str], lacking: Collection[str]
) -> tuple[list[Newcomer], list[PassedOver]]:
    """The new units of ``graph`` whose outgoing weights sit in one of the classifiers ``heads``.

    ``lacking`` are the layers that the weights do not hold. What else is lacking comes with the reason.
    """
    found: list[Newcomer] = []
    others: list[PassedOver] = []
    for units in fresh_layers(graph, heads, lacking):
        chain = graph.chain(units)
        outlets, why = _outlets(graph, heads, (chain or [units])[-1].top_values[0])
        if why or not outlets:
            others.append(PassedOver(units.name, why or "reaches no classifier"))
        else:
            found.append(Newcomer(units, tuple(chain), tuple(outlets)))
    return found, others


def _outlets(graph: Graph, heads: Collection[str], value: int) -> tuple[list[Outlet], str]:
    outlets: list[Outlet] = []
    queue: list[_Step] = [_Step(value, 0, 1, (), False)]
    while queue:
        at = queue.pop()
        for reader in graph.consumers(at.value):
            if reader.name in heads:
                if not at.joined:
                    return [], f"is all that the classifier `{reader.name}` reads"
                outlets.append(_at_head(reader, at))
            elif reader.layer.type != "Silence":
                step = _through(graph, reader, at)
                if isinstance(step, str):
                    return [], step
                queue.append(step)
    return outlets, ""


def _through(graph: Graph, reader: PlannedLayer, at: _Step) -> _Step | str:
    kind, top = reader.layer.type, reader.top_values[0]
    if kind in IDLE:
        return _Step(top, at.start, at.width, at.path, at.joined)
    if kind == "Concat" and reader.layer.param.concat_param.axis in (1, 1 - len(reader.bottom_shapes[0] or ())):
        before = reader.bottom_values[: reader.bottom_values.index(at.value)]
        first = sum(_channels(graph, value) for value in before)
        return _Step(top, at.start + first, at.width, at.path, True)
    path = (*at.path, reader)
    if kind == "Pooling" and getattr(reader.layer, "mean", False):
        return _Step(top, at.start, at.width, path, at.joined)
    if kind == "Flatten" and reader.layer.options.axis == 1 and reader.layer.options.end_axis == -1:
        places = count((reader.bottom_shapes[0] or ())[2:]) or 1
        return _Step(top, at.start * places, at.width * places, path, at.joined)
    if kind in HEADS:
        return f"feeds `{reader.name}`, which is not a classifier"
    return f"reaches the classifier through `{reader.name}` ({kind}), which is not linear"


def _at_head(head: PlannedLayer, at: _Step) -> Outlet:
    if head.layer.type == "Convolution":
        return Outlet(head, at.start, at.width, at.path)
    places = count((head.bottom_shapes[0] or ())[2:]) or 1
    return Outlet(head, at.start * places, at.width * places, at.path)


def _channels(graph: Graph, value: int) -> int:
    shape = graph.shape(value) or ()
    return int(shape[1] or 0) if len(shape) > 1 else 0
