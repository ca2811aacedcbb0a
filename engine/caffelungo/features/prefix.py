"""The part of a net whose values for a picture do not change during training. No torch.

    data -> [frozen layers] -> features -> learned layers -> loss     =>     features -> learned layers -> loss

The prefix ends where something learns, is drawn at random, or looks at more than one picture at a time. What the rest
of the net reads of it is the frontier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from caffelungo.plan.plan import ParamKey, Plan, PlannedLayer, Value

KeyOf = Callable[[str, int], ParamKey]
"""The owner's key of a blob of a layer (``Store.key``)."""
Blob = Callable[[str, int], NDArray[np.float32]]
"""The values of a blob of a layer."""


@dataclass(frozen=True)
class Prefix:
    """``source`` is the data layer whose picture all is made of; ``layers`` what makes the values ``frontier``.

    ``unread`` are layers of the prefix that nothing behind it needs. ``bare``: the rest also reads the picture itself.
    """

    source: PlannedLayer
    layers: tuple[PlannedLayer, ...]
    unread: tuple[PlannedLayer, ...]
    frontier: tuple[int, ...]
    bare: bool


def moving(plan: Plan, key: KeyOf) -> frozenset[ParamKey]:
    """The blobs that a training of ``plan`` changes: those that learn, and statistics that are gathered."""
    found = set()
    for planned in plan.layers:
        for position, use in enumerate(planned.params):
            if use.spec.learned:
                owner = plan.params.get(use.key, use)
                changes = owner.lr_mult != 0
            else:
                changes = not getattr(planned.layer, "stored", False)
            if changes:
                found.add(key(planned.key, position))
    return frozenset(found)


def find(plan: Plan, source: PlannedLayer, changing: frozenset[ParamKey], key: KeyOf) -> Prefix:
    """The longest prefix of ``plan`` behind the picture of ``source`` without a blob that training changes."""
    picture = source.top_values[0]
    batch = (source.top_shapes[0] or (None,))[0]
    fixed, made = {picture}, []
    for planned in plan.layers:
        own = {key(planned.key, position) for position in range(len(planned.params))}
        if (
            not planned.layer.source
            and planned.bottom_values
            and fixed.issuperset(planned.bottom_values)
            and not own & changing
            and not any(planned.loss_weights)
            and all(shape and shape[0] == batch for shape in (*planned.bottom_shapes, *planned.top_shapes))
            and planned.layer.each_alone(planned.bottom_shapes)
        ):
            fixed.update(planned.top_values)
            made.append(planned)
    inside = {id(planned) for planned in made}
    read = {value for p in plan.layers if id(p) not in inside for value in p.bottom_values} & fixed
    frontier = tuple(sorted(read - {picture}))
    needed = set(frontier)
    layers: list[PlannedLayer] = []
    unread: list[PlannedLayer] = []
    for planned in reversed(made):
        used = not needed.isdisjoint(planned.top_values)
        needed.update(planned.bottom_values if used else ())
        (layers if used else unread).append(planned)
    return Prefix(source, tuple(reversed(layers)), tuple(unread), frontier, picture in read)


def part(plan: Plan, prefix: Prefix) -> Plan:
    """The prefix as a separate plan: from the picture to the frontier, whose outputs ``outputs(prefix)`` names."""
    head = replace(
        prefix.source, tops=prefix.source.tops[:1], top_values=prefix.source.top_values[:1],
        top_shapes=prefix.source.top_shapes[:1], loss_weights=prefix.source.loss_weights[:1],
    )  # fmt: skip
    # In-place layers make several values of one blob, and each may be asked for.
    values = [Value(own_name(number), value.shape, value.producer) for number, value in enumerate(plan.values)]
    return Plan(plan.name, plan.state, [head, *prefix.layers], values, outputs(prefix))


def outputs(prefix: Prefix) -> tuple[str, ...]:
    """Names of the frontier's values in ``part``, in the frontier's order."""
    return tuple(own_name(number) for number in prefix.frontier)


def own_name(number: int) -> str:
    """What ``part`` calls the value ``number``, so that the several values of one blob can be distinguished."""
    return f"value {number}"


def rest(plan: Plan, prefix: Prefix) -> Plan:
    """``plan`` with the frontier in the place of the prefix: tops of the data layer, before its own ones."""
    source = prefix.source
    kept = range(0 if prefix.bare else 1, len(source.tops))
    head = replace(
        source,
        tops=(*(plan.values[v].blob for v in prefix.frontier), *(source.tops[i] for i in kept)),
        top_values=(*prefix.frontier, *(source.top_values[i] for i in kept)),
        top_shapes=(*(plan.values[v].shape for v in prefix.frontier), *(source.top_shapes[i] for i in kept)),
        loss_weights=(*(0.0 for _ in prefix.frontier), *(source.loss_weights[i] for i in kept)),
    )
    inside = {id(planned) for planned in (*prefix.layers, *prefix.unread)}
    left = [head if planned is source else planned for planned in plan.layers if id(planned) not in inside]
    known = {value for planned in left for value in planned.top_values}
    names = tuple(blob for blob in plan.outputs if plan.value_of(blob) in known)
    return Plan(plan.name, plan.state, left, plan.values, names, plan.force_backward)


def digests(plan: Plan, prefix: Prefix, blob: Blob, pictures: str) -> dict[int, str]:
    """For each value of the frontier a hash of everything that it follows from.

    Those are the options and blobs of the layers that make it, not their names, and ``pictures``, which identifies the
    pictures and how they are prepared.
    """
    found = addresses(prefix.layers, {prefix.source.top_values[0]: pictures}, blob)
    return {value: found[value] for value in prefix.frontier}


def addresses(layers: Iterable[PlannedLayer], given: Mapping[int, str], blob: Blob) -> dict[int, str]:
    """For each value that ``layers`` make, and those ``given`` with a hash already, a hash of what it follows from."""
    found = dict(given)
    weights: dict[ParamKey, bytes] = {}
    for planned in layers:
        total = hashlib.sha256(_options(planned))
        for value in planned.bottom_values:
            total.update(found[value].encode())
        for position, use in enumerate(planned.params):
            if use.key not in weights:
                array = np.ascontiguousarray(blob(planned.key, position))
                weights[use.key] = hashlib.sha256(repr(array.shape).encode() + array.tobytes()).digest()
            total.update(weights[use.key])
        for position, value in enumerate(planned.top_values):
            found[value] = hashlib.sha256(total.digest() + bytes([position])).hexdigest()
    return found


def _options(planned: PlannedLayer) -> bytes:
    param = type(planned.layer.param)()
    param.CopyFrom(planned.layer.param)
    for name in ("name", "bottom", "top", "include", "exclude", "phase", "param", "loss_weight", "propagate_down"):
        param.ClearField(name)
    return bytes(param.SerializeToString(deterministic=True))
