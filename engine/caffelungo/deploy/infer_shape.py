"""Infers a net's input size from its weights: their channels, and the input length of the first InnerProduct.

LeNet's train_test file says nothing of the size of its digits; `ip1` with 500 x 800 weights admits 1 x 28 x 28 only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST
from caffelungo.errors import Problem
from caffelungo.layers.base import Shape
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.weights.weights import Weights

LARGEST = 2048
"""Longest side of a picture that is looked for."""
MOST_ALIKE = 64
"""Where more sizes than this give the same numbers (a mean over the whole plane), the weights tell nothing."""


def picture_shape(definition: Definition, weights: Weights) -> tuple[str, tuple[int, int, int]] | None:
    """(input blob, (channels, size, size)) of the one square picture that ``weights`` admit; None where several do."""
    net = definition.message
    plan = _plan(net, {})
    sources = [one for one in plan.sources if one.layer.type != "Input"]
    if len(sources) != 1 or not sources[0].tops:
        return None
    source, blob = sources[0].name, sources[0].tops[0]
    tops = len(sources[0].tops)
    first = next((one for one in plan.layers if blob in one.bottoms and one.layer.type == "Convolution"), None)
    if first is None or not weights.layers.get(first.name):
        return None
    kernel = weights.layers[first.name][0]
    if kernel.ndim != 4:
        return None
    channels = int(kernel.shape[1]) * int(first.layer.options.group)

    def counts(size: int) -> list[tuple[int, int]]:
        shapes: list[Shape] = [(1, channels, size, size), *[(1,)] * (tops - 1)]
        return _counts(_plan(net, {source: shapes}), weights)

    fitting: list[int] = []
    low, high = 1, LARGEST
    while low <= high:  # the number of inputs never falls as pictures grow
        middle = (low + high) // 2
        found = counts(middle)
        if found and all(ours >= theirs for ours, theirs in found):
            high = middle - 1
            fitting += [middle] if all(ours == theirs for ours, theirs in found) else []
        else:
            low = middle + 1
    if not fitting:
        return None
    size = min(fitting)
    # Strides round: several sizes give the same plane.
    alike = [size]
    while len(alike) <= MOST_ALIKE and all(ours == theirs for ours, theirs in counts(alike[-1] + 1)):
        alike.append(alike[-1] + 1)
    if len(alike) > MOST_ALIKE:
        return None
    return blob, (channels, *[_likeliest(alike)] * 2)  # type: ignore[return-value]


def _likeliest(sizes: Sequence[int]) -> int:
    """Of sizes that all fit, the one with the most factors of two; the smallest of these."""
    return max(sizes, key=lambda size: (size & -size, -size))


def _plan(net: Any, sources: Mapping[str, Sequence[Shape]]) -> Plan:
    problems: list[Problem] = []
    return build_plan(net, net_state(net, TEST), sources=sources, problems=problems)


def _counts(plan: Plan, weights: Weights) -> list[tuple[int, int]]:
    """For each InnerProduct that reads planes: the inputs it has in ``plan``, and those in ``weights``."""
    result = []
    for one in plan.layers:
        blobs = weights.layers.get(one.name)
        shape = one.bottom_shapes[0] if one.bottom_shapes else None
        if one.layer.type != "InnerProduct" or not blobs or shape is None or len(shape) != 4 or None in shape[1:]:
            continue
        outputs = int(one.layer.options.num_output)
        result.append((int(shape[1] or 0) * int(shape[2] or 0) * int(shape[3] or 0), blobs[0].size // outputs))
    return result
