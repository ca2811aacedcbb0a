"""Layers of one name in one state, whose weights a file cannot keep apart.

Caffe trains such a net, but Net::CopyTrainedLayersFrom copies each layer of a file into the first one of its name: it
ends where shapes differ, else the last layer's weights are in the first one, and the others start afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from caffelungo.errors import Location, Problem
from caffelungo.layers.base import Shape, shape_text
from caffelungo.plan.plan import Plan, PlannedLayer


def problems(plan: Plan, where: Callable[..., Location | None]) -> list[Problem]:
    """A problem for each layer whose parameters are not of the shapes of those of an earlier layer of its name."""
    found = []
    for first, other in _pairs(plan):
        mine, theirs = _shapes(other), _shapes(first)
        if len(mine) == len(theirs) and all(map(alike, mine, theirs)):
            continue
        place = where("layer", first.index)
        found.append(
            Problem(
                f"two layers are called `{other.name}`, and their parameters differ in shape",
                where("layer", other.index, "name"),
                f"{_text(mine)}; {_text(theirs)} in the first one{f' ({place})' if place else ''}",
                "rename one of them: weights are saved and loaded by the names of layers",
            )
        )
    return found


def notices(plan: Plan) -> list[str]:
    """What to say of layers of one name that do not share their parameters."""
    keys = ((other.name, [[use.key for use in one.params] for one in (first, other)]) for first, other in _pairs(plan))
    names = dict.fromkeys(name for name, (theirs, mine) in keys if theirs != mine)
    return [
        f"several layers are called `{name}`: weights are saved and loaded by name, so a file keeps those of the last "
        "one only; rename them, or let them share their parameters (`param { name: ... }`)"
        for name in names
    ]


def _pairs(plan: Plan) -> Iterator[tuple[PlannedLayer, PlannedLayer]]:
    """Layers with parameters, each with the first one of its name."""
    firsts: dict[str, PlannedLayer] = {}
    for planned in plan.layers:
        if planned.params and planned.name:
            first = firsts.setdefault(planned.name, planned)
            if first is not planned:
                yield first, planned


def _shapes(planned: PlannedLayer) -> list[Shape]:
    return [use.shape for use in planned.params]


def alike(one: Shape, other: Shape) -> bool:
    """Whether two shapes agree as far as they are known."""
    return len(one) == len(other) and all(a == b or None in (a, b) for a, b in zip(one, other, strict=True))


def _text(shapes: list[Shape]) -> str:
    return ", ".join(map(shape_text, shapes))
