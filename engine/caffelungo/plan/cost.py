"""What a net costs, layer by layer: parameters, floating-point operations, memory of activations. No torch.

All numbers are for one sample going forward once. A multiplication and an addition are two operations; a window, a norm
or an exponential counts what Caffe's own loops do for it. Memory is that of the tops in float32; an in-place layer,
one that only gives a blob another shape, and Split take none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo.layers.base import Shape, count
from caffelungo.plan.plan import Plan, PlannedLayer

FLOAT = 4
"""Bytes of a number."""
VIEWS = frozenset({"Flatten", "Reshape", "Split", "Silence"})
"""Layers whose tops are their bottoms' memory."""
EACH = {
    "ReLU": 1, "PReLU": 2, "ELU": 3, "Sigmoid": 4, "TanH": 4, "Swish": 5, "BNLL": 4, "AbsVal": 1, "Power": 3, "Exp": 3,
    "Log": 3, "Clip": 2, "Threshold": 1, "BatchNorm": 2, "Bias": 1, "Normalize": 4, "MVN": 5, "Softmax": 4,
    "SoftmaxWithLoss": 4, "SigmoidCrossEntropyLoss": 5, "EuclideanLoss": 3, "HingeLoss": 2,
}  # fmt: skip
"""Operations for each number of the first bottom."""


@dataclass(frozen=True)
class Cost:
    """One layer's ``parameters``, and its ``operations`` and ``bytes`` for one sample; None where sizes are unknown."""

    name: str
    type: str
    parameters: int | None
    operations: int | None
    bytes: int | None


@dataclass(frozen=True)
class Row:
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


def compare(before: Sequence[Cost], after: Sequence[Cost]) -> list[Row]:
    """A row a layer, in the order of ``after``, layers that are gone standing where they were."""
    new = {one.name: one for one in after}
    rows: list[Row] = []
    gone: dict[str | None, list[Cost]] = {}
    last: str | None = None
    for one in before:
        if one.name in new:
            last = one.name
        else:
            gone.setdefault(last, []).append(one)
    old = {one.name: one for one in before}

    def missing(behind: str | None) -> None:
        rows.extend(Row(one.name, one.type, one, None) for one in gone.get(behind, ()))

    missing(None)
    for one in after:
        rows.append(Row(one.name, one.type, old.get(one.name), one))
        missing(one.name)
    return rows


def _cost(one: PlannedLayer) -> Cost:
    owned = [count(use.shape) for use in one.params if use.owner]
    parameters = None if None in owned else sum(size for size in owned if size is not None)
    return Cost(one.name, one.layer.type, parameters, _operations(one), _memory(one))


def _memory(one: PlannedLayer) -> int | None:
    if one.layer.type in VIEWS:
        return 0
    sizes = [_sample(shape) for shape, same in zip(one.top_shapes, one.in_place, strict=True) if not same]
    return None if None in sizes else FLOAT * sum(size for size in sizes if size is not None)


def _sample(shape: Shape | None) -> int | None:
    """Numbers of one sample of a blob whose first axis is the batch."""
    return None if shape is None else count(shape[1:])


def _operations(one: PlannedLayer) -> int | None:
    if one.layer.source or not one.bottoms:
        return 0
    first, top = _sample(one.bottom_shapes[0]), _sample(one.top_shapes[0]) if one.top_shapes else 0
    if first is None or top is None:
        return None
    special = _SPECIAL.get(one.layer.type)
    if special is not None:
        return special(one, first, top)
    return EACH.get(one.layer.type, 0) * first


def _weights(one: PlannedLayer, first: int, top: int) -> int | None:
    """A product and a sum for each weight at each place it is used at, and a sum for each bias."""
    size = count(one.params[0].shape)
    if size is None:
        return None
    units = int(one.layer.options.num_output)
    places = (first // _channels(one.bottom_shapes[0])) if one.layer.type == "Deconvolution" else top // units
    return 2 * size * places + (top if len(one.params) > 1 else 0)


def _channels(shape: Shape | None) -> int:
    return int((shape[1] if shape is not None and len(shape) > 1 else 1) or 1)


def _pooling(one: PlannedLayer, first: int, top: int) -> int:
    layer: Any = one.layer
    if layer.whole:
        return first
    sizes = [size or 1 for size in (one.bottom_shapes[0] or (1, 1, 1, 1))[2:]]
    seen = zip(layer.kernel, sizes, layer.pad, strict=True)
    return top * math.prod(min(kernel, size + 2 * pad) for kernel, size, pad in seen)


def _scale(one: PlannedLayer, first: int, top: int) -> int:
    return first * (2 if one.layer.options.bias_term else 1)


def _eltwise(one: PlannedLayer, first: int, top: int) -> int:
    return first * (len(one.bottoms) - 1 + sum(value != 1 for value in one.layer.options.coeff))


def _lrn(one: PlannedLayer, first: int, top: int) -> int:
    options = one.layer.options
    window = options.local_size ** (1 if options.norm_region == options.ACROSS_CHANNELS else 2)
    return first * (2 * int(window) + 3)


_SPECIAL: dict[str, Callable[[PlannedLayer, int, int], int | None]] = {
    "Convolution": _weights, "Deconvolution": _weights, "InnerProduct": _weights, "Pooling": _pooling, "Scale": _scale,
    "Eltwise": _eltwise, "LRN": _lrn,
}  # fmt: skip
