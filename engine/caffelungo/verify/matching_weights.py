"""The weights of two nets by layer: bitwise the same, grown around the old ones, moved, changed, new or gone."""

from __future__ import annotations

import math
from typing import Any

from caffelungo.net.store import Store
from caffelungo.verify.matching_blobs import CHANGED, GONE, IDENTICAL, NEW
from caffelungo.verify.same_inputs import Fed
from caffelungo.verify.verified import LayerWeights
from caffelungo.weights.compare_weights import compare
from caffelungo.weights.weight_changes import GROWN, LayerChange
from caffelungo.weights.weights import Weights


def matching_weights(fed: Fed, stores: list[Store], fresh: frozenset[str], moved: dict[str, str]) -> list[LayerWeights]:
    """Each layer with weights: bitwise the same, grown around the old ones, moved, changed, new or gone."""
    arrays = [store.layer_arrays(plan) for store, plan in zip(stores, (fed.before, fed.after), strict=True)]
    types = {one.name: one.layer.type for plan in (fed.before, fed.after) for one in plan.layers}
    changes: dict[str, LayerChange] = {}
    if set(arrays[0]) & set(arrays[1]):
        both = (Weights({name: list(blobs) for name, blobs in one.items()}, types) for one in arrays)
        changes = {layer.name: layer for layer in compare(*both).layers}
    gone = {name: arrays[0][name] for name in arrays[0] if name not in arrays[1]}
    new = {one.name for one in fed.after.layers if one.key in fresh}
    result = []
    for name, blobs in arrays[1].items():
        if name in arrays[0]:
            result.append(_kept(name, types[name], arrays[0][name], blobs, changes[name]))
            continue
        if name in moved:
            result.append(LayerWeights(name, types[name], IDENTICAL, f"moved from `{moved[name]}`"))
        else:
            origin = "starts from its filler" if name in new else "from the file"
            result.append(LayerWeights(name, types[name], NEW, origin))
    result += [LayerWeights(name, types[name], GONE) for name in gone]
    return result


def _kept(name: str, kind: str, old: list[Any], new: list[Any], change: LayerChange) -> LayerWeights:
    if len(old) == len(new) and all(
        a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(old, new, strict=True)
    ):
        return LayerWeights(name, kind, IDENTICAL)
    if change.relative == 0 and not change.broken:
        notes = (note for blob in change.blobs for note in blob.notes if "added" in note)
        added = "; ".join(dict.fromkeys(notes))
        grown = any(blob.status == GROWN for blob in change.blobs)
        return LayerWeights(
            name, kind, IDENTICAL, f"the old part; {added}" if grown and added else "except for the shape"
        )
    if math.isnan(change.relative):
        return LayerWeights(name, kind, CHANGED, "; ".join(note for blob in change.blobs for note in blob.notes))
    return LayerWeights(name, kind, CHANGED, f"relative change {change.relative:.2g}")


def moved_layers(fed: Fed, stores: list[Store]) -> dict[str, str]:
    """New layers that hold, byte for byte, the weights of one that is gone -> that one (a cast layer, a new name)."""
    old, new = (store.layer_arrays(plan) for store, plan in zip(stores, (fed.before, fed.after), strict=True))
    gone = {tuple(blob.tobytes() for blob in blobs): name for name, blobs in old.items() if name not in new}
    return {
        name: gone[key]
        for name, blobs in new.items()
        if name not in old and (key := tuple(blob.tobytes() for blob in blobs)) in gone
    }
