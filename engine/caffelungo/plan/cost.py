"""What a net costs, layer by layer: parameters, floating-point operations, memory of activations. No torch.

All numbers are for one sample going forward once. A multiplication and an addition are two operations; a window, a norm
or an exponential counts what Caffe's own loops do for it. Memory is that of the tops in float32; an in-place layer,
one that only gives a blob another shape, and Split take none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.layers.shapes import Shape, count, per_sample
from caffelungo.plan.plan import Plan, PlannedLayer

FLOAT = 4
"""Bytes of a number."""


@dataclass(frozen=True)
class Cost:
    """One layer's ``parameters``, and its ``operations`` and ``bytes`` for one sample; None where sizes are unknown."""

    name: str
    type: str
    parameters: int | None
    operations: int | None
    bytes: int | None


@dataclass(frozen=True)
class CostRow:
    """One layer before and after a rewrite; None for a net that does not have it."""

    name: str
    type: str
    before: Cost | None
    after: Cost | None


def costs(plan: Plan) -> list[Cost]:
    """The cost of each layer of ``plan``, in its order."""
    return [_cost(one) for one in plan.layers]


def total(found: Sequence[Cost]) -> Cost:
    """All together; a sum that lacks an unknown layer is None."""

    def add(values: Sequence[int | None]) -> int | None:
        return None if None in values else sum(value for value in values if value is not None)

    return Cost(
        "total",
        "",
        add([one.parameters for one in found]),
        add([one.operations for one in found]),
        add([one.bytes for one in found]),
    )


def compare(before: Sequence[Cost], after: Sequence[Cost]) -> list[CostRow]:
    """A row per layer, in the order of ``after``, layers that are gone standing where they were."""
    new = {one.name: one for one in after}
    rows: list[CostRow] = []
    gone: dict[str | None, list[Cost]] = {}
    last: str | None = None
    for one in before:
        if one.name in new:
            last = one.name
        else:
            gone.setdefault(last, []).append(one)
    old = {one.name: one for one in before}

    def missing(behind: str | None) -> None:
        rows.extend(CostRow(one.name, one.type, one, None) for one in gone.get(behind, ()))

    missing(None)
    for one in after:
        rows.append(CostRow(one.name, one.type, old.get(one.name), one))
        missing(one.name)
    return rows


def _cost(one: PlannedLayer) -> Cost:
    owned = [count(use.shape) for use in one.params if use.owner]
    parameters = None if None in owned else sum(size for size in owned if size is not None)
    return Cost(one.name, one.layer.type, parameters, _operations(one), _memory(one))


def _memory(one: PlannedLayer) -> int | None:
    if one.layer.views:
        return 0
    sizes = [per_sample(shape) for shape, same in zip(one.top_shapes, one.in_place, strict=True) if not same]
    return None if None in sizes else FLOAT * sum(size for size in sizes if size is not None)


def _operations(one: PlannedLayer) -> int | None:
    if one.layer.source or not one.bottoms:
        return 0
    known = [*one.bottom_shapes[:1], *one.top_shapes[:1]]
    if any(per_sample(shape) is None for shape in known):
        return None
    return one.layer.operations([shape or () for shape in one.bottom_shapes], one.top_shapes, _shapes_of_blobs(one))


def _shapes_of_blobs(one: PlannedLayer) -> list[Shape]:
    return [use.shape for use in one.params]
