"""Caffe's Split layers: which ones it puts into a net, as its weight files and its blob names show them.

A net of ours needs none; files written for Caffe have them.
Caffe: InsertSplits (insert_splits.cpp).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

Top = tuple[int, int]
"""Index of a layer, and of one of its tops."""


def split_name(blob: str, layer: str, top: int) -> str:
    """The name of the Split layer behind top number ``top`` of ``layer``; its tops add ``_<k>``."""
    return f"{blob}_{layer}_{top}_split"


def insert_splits(net: Any) -> Any:
    """A copy of ``net`` (filtered to one state) with a Split layer behind every top that has more than one reader.

    A loss weight counts as a reader: it moves to the Split's first top. Of a chain of in-place layers the last one
    before the readers is followed by the Split. Unknown bottoms stay as they are.
    """
    source, readers, weights = _readers(net)
    result = type(net)()
    result.CopyFrom(net)
    del result.layer[:]
    used: Counter[Top] = Counter()
    for index, layer in enumerate(net.layer):
        copy = result.layer.add()
        copy.CopyFrom(layer)
        for position, blob in enumerate(layer.bottom):
            top = source.get((index, position))
            if top is not None and readers[top] > 1:
                copy.bottom[position] = f"{split_name(blob, net.layer[top[0]].name, top[1])}_{used[top]}"
                used[top] += 1
        for position, blob in enumerate(layer.top):
            top = (index, position)
            if readers[top] > 1:
                weight = weights.get(top, 0.0)
                _add_split(result, layer.name, blob, position, readers[top], weight)
                if weight:
                    copy.ClearField("loss_weight")
                    used[top] += 1
    return result


def _readers(net: Any) -> tuple[dict[Top, Top], Counter[Top], dict[Top, float]]:
    """The top that each bottom reads, how many read each top, and the loss weights that the file gives."""
    last: dict[str, Top] = {}
    source: dict[Top, Top] = {}
    readers: Counter[Top] = Counter()
    weights: dict[Top, float] = {}
    for index, layer in enumerate(net.layer):
        for position, blob in enumerate(layer.bottom):
            if blob in last:
                source[index, position] = last[blob]
                readers[last[blob]] += 1
        last.update((blob, (index, position)) for position, blob in enumerate(layer.top))
        for position, weight in enumerate(layer.loss_weight[: len(layer.top)]):
            weights[last[layer.top[position]]] = weight
            readers[last[layer.top[position]]] += bool(weight)
    return source, readers, weights


def _add_split(net: Any, layer: str, blob: str, top: int, parts: int, weight: float) -> None:
    name = split_name(blob, layer, top)
    tops = [f"{name}_{part}" for part in range(parts)]
    split = net.layer.add(name=name, type="Split", bottom=[blob], top=tops)
    if weight:
        split.loss_weight.extend([weight] + [0.0] * (parts - 1))
