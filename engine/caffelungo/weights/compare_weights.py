"""Compares files of weights: layer by layer, blob by blob and unit by unit. No torch.

before, after            ->  WeightChanges: one LayerChange a layer, in the order of the net
start, snapshot, ...     ->  one WeightChanges a snapshot, each against the start
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Location, UserError
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.read_net import read_net
from caffelungo.weights.compare_blobs import KnownLayer, compare_blob, in_deviations, lone_blob, real_blobs
from caffelungo.weights.load import load
from caffelungo.weights.weight_changes import COMPARED, GONE, GROWN, NEW, OTHER, LayerChange, WeightChanges
from caffelungo.weights.weights import Array, Weights
from caffelungo.wording import listed


def iteration(path: str) -> int | None:
    """The iteration in the name of a snapshot (``..._iter_400.caffemodel``)."""
    found = re.search(r"_iter_(\d+)", path.rsplit("/", 1)[-1])
    return int(found[1]) if found else None


def in_time(paths: Sequence[str]) -> list[str]:
    """Snapshots in the order of their iterations where all names have one (a shell sorts 1000 before 200)."""
    times = [iteration(path) for path in paths]
    if None in times:
        return list(paths)
    return [path for _, path in sorted(zip(times, paths, strict=True), key=lambda pair: pair[0] or 0)]


def compare(before: Weights, after: Weights, model: Any = None) -> WeightChanges:
    """What of ``before`` became what of ``after``; UserError when they have no layer in common.

    ``model`` is the NetParameter of either: it tells types, names and order where the files do not.
    """
    known = _known(before, after, model)
    if not set(before.layers) & set(after.layers):
        raise UserError(
            "the two files have no layer of the same name, so nothing can be compared",
            where=Location(after.path) if after.path else None,
            received=f"{_some(before.layers)} before, {_some(after.layers)} after",
            remedy="use weights of the same net, or of one that was grown from it",
        )
    layers = tuple(
        _layer(name, before.layers.get(name), after.layers.get(name), known[name])
        for name in _order(before, after, known)
    )
    notices = []
    guessed = [name for name in known if known[name].type == "BatchNorm" and not _typed(name, before, after, model)]
    if guessed:
        notices.append(
            f"{_some(guessed)}: taken for BatchNorm by the shapes of the blobs, as the files contain no types; "
            "--model net.prototxt supplies them"
        )
    return WeightChanges(before.path, after.path, layers, tuple(notices))


def _typed(name: str, before: Weights, after: Weights, model: Any) -> bool:
    return name in before.types or name in after.types or any(layer.name == name for layer in _layers(model))


def _layers(model: Any) -> Sequence[Any]:
    return () if model is None else model.layer


def _known(before: Weights, after: Weights, model: Any) -> dict[str, KnownLayer]:
    found: dict[str, KnownLayer] = {}
    if model is not None:
        in_any = [
            net_state(model, phase, stages=one) for one in ((), *states.stage_sets(model)) for phase in (TRAIN, TEST)
        ]
        for state in in_any:
            for planned in build_plan(model, state, problems=[]).layers:
                names = tuple(use.spec.name for use in planned.params)
                columns = planned.layer.type == "InnerProduct" and bool(planned.layer.options.transpose)
                found.setdefault(planned.name, KnownLayer(planned.layer.type, names, columns))
        if not set(found) & (set(before.layers) | set(after.layers)):
            raise UserError(
                "the net has none of the layers in the weights",
                received=f"{_some(found)} in the net, {_some(after.layers)} in the weights",
                remedy="name the net of these weights, or remove --model",
            )
    result = {name: one for name, one in found.items() if name in before.layers or name in after.layers}
    for weights in (after, before):
        for name, blobs in weights.layers.items():
            kind = after.types.get(name) or before.types.get(name) or _kind(blobs)
            result.setdefault(name, KnownLayer(kind))
    return result


def _kind(blobs: Sequence[Array]) -> str:
    """BatchNorm is known by its blobs (one value per channel, twice, and one factor); other types are left open."""
    shapes = [blob.shape for blob in blobs]
    if len(shapes) == 3 and len(shapes[0]) == 1 and shapes[0] == shapes[1] and shapes[2] == (1,):
        return "BatchNorm"
    return ""


def _order(before: Weights, after: Weights, known: Mapping[str, KnownLayer]) -> list[str]:
    """The net's order: the model's, else that of the later file, with what it lacks where it stood in the earlier."""
    ordered = [name for name in known if known[name].names]
    files = [list(after.layers), list(before.layers)]
    if files[0] == sorted(files[0]) and files[1] != sorted(files[1]):
        files.reverse()  # HDF5 and safetensors may keep the alphabet's order, not the net's
    for names in files:
        for position, name in enumerate(names):
            if name not in ordered:
                at = next((ordered.index(one) + 1 for one in reversed(names[:position]) if one in ordered), 0)
                ordered.insert(at, name)
    return ordered


def _layer(name: str, old: Sequence[Array] | None, new: Sequence[Array] | None, known: KnownLayer) -> LayerChange:
    old_blobs, new_blobs = real_blobs(old, known), real_blobs(new, known)
    if not old_blobs or not new_blobs:
        status, blobs = (NEW, new_blobs) if not old_blobs else (GONE, old_blobs)
        return LayerChange(name, known.type, status, tuple(lone_blob(k, blob, status, known) for k, blob in blobs))
    changes = []
    for k in range(max(len(old_blobs), len(new_blobs))):
        if k >= len(old_blobs):
            changes.append(lone_blob(*new_blobs[k], NEW, known))
        elif k >= len(new_blobs):
            changes.append(lone_blob(*old_blobs[k], GONE, known))
        else:
            changes.append(compare_blob(k, old_blobs[k][1], new_blobs[k][1], known))
    if known.type == "BatchNorm" and len(changes) > 1:
        changes[0] = in_deviations(changes[0], old_blobs[1][1])
    states = {change.status for change in changes}
    status = next((state for state in (OTHER, GROWN) if state in states), COMPARED)
    if states & {NEW, GONE}:
        status = GROWN
    return LayerChange(name, known.type, status, tuple(changes))


def _some(names: Mapping[str, Any] | Sequence[str]) -> str:
    return listed([f"`{name}`" for name in names], 3)


def compare_files(
    paths: Sequence[str], model: str | None = None, variables: Mapping[str, Any] | None = None
) -> list[WeightChanges]:
    """Each later file against the first, in the order of their iterations; one file at a time is held beside it.

    ``paths`` are what `--weights` takes; ``model`` is a net's file or a name of the catalogue. UserError when one
    cannot be read or is of another net.
    """
    net = None
    if model is not None:
        path, given = catalogue.resolve(model, variables)
        net = read_net(path, given or None).message
    first = load(paths[0])
    return [compare(first, load(path), net) for path in in_time(paths[1:])]
