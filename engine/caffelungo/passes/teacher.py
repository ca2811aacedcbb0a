"""A frozen copy of part of a net: what a net is taught by (remember), or held near (DELTA).

    before:  data -> conv1 -> bn1 -> relu1 -> drop1 -> fc2
    after:   data -> teacher/conv1 -> teacher/bn1 (stored statistics) -> teacher/relu1 -> teacher/fc2
             every blob has lr_mult 0 decay_mult 0; a Dropout is left out, since a teacher does not guess

The layers are returned, not inserted: a pass puts them into the file, the solver into a separate net.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo.definition.schema import LayerParameter
from caffelungo.passes.view import Graph, free_name
from caffelungo.plan.plan import PlannedLayer

PREFIX = "teacher/"


@dataclass
class Teacher:
    """``layers`` in their order; ``blobs``: which blob of the copy holds a value of the original; ``copied``: original
    and copy of each layer with parameters, by name."""

    layers: list[Any] = field(default_factory=list)
    blobs: dict[int, str] = field(default_factory=dict)
    copied: list[tuple[str, str]] = field(default_factory=list)


def frozen_copy(
    layers: Sequence[Any], graph: Graph, ends: Iterable[PlannedLayer], given: Mapping[int, str], prefix: str = PREFIX
) -> Teacher:
    """A copy of all that ``ends`` depend on, themselves included.

    ``layers`` are the LayerParameters that ``graph`` was planned from. ``given`` names the blobs that the copy reads as
    they are, by value: at least those of every data layer. The copy is for the phase that ``graph`` is in.
    """
    result = Teacher(blobs=dict(given))
    taken: set[str] = set()
    own: set[int] = set()
    for one in needed(graph, ends, given):
        if one.layer.type == "Dropout":
            result.blobs[one.top_values[0]] = result.blobs[one.bottom_values[0]]
            continue
        layer = _frozen(layers[one.index], one, prefix)
        layer.bottom[:] = [result.blobs[value] for value in one.bottom_values]
        for k, value in enumerate(one.top_values):
            # What another layer of the copy, or of the original, may read besides is not overwritten.
            if one.in_place[k] and one.bottom_values[k] in own:
                blob = result.blobs[one.bottom_values[k]]
            else:
                blob = _free(f"{prefix}{one.name if one.in_place[k] else one.tops[k]}", taken)
            layer.top[k] = result.blobs[value] = blob
            own.add(value)
        if one.params:
            result.copied.append((one.name, layer.name))
        result.layers.append(layer)
    return result


def needed(graph: Graph, ends: Iterable[PlannedLayer], given: Mapping[int, str]) -> list[PlannedLayer]:
    """``ends`` and the layers they depend on, in the order of the file, where ``given`` values are there already."""
    found: dict[int, PlannedLayer] = {}
    queue = list(ends)
    while queue:
        one = queue.pop()
        if one.index not in found:
            found[one.index] = one
            queue += [graph.producer[value] for value in one.bottom_values if value not in given]
    return [found[index] for index in sorted(found)]


def _frozen(original: Any, one: PlannedLayer, prefix: str) -> Any:
    layer = LayerParameter()
    layer.CopyFrom(original)
    layer.name = prefix + one.name
    for name in ("include", "exclude", "phase", "loss_weight", "propagate_down", "blobs"):
        layer.ClearField(name)
    if layer.type == "BatchNorm":
        layer.batch_norm_param.use_global_stats = True
    while len(layer.param) < len(one.params):
        layer.param.add()
    for block in layer.param:
        block.lr_mult = block.decay_mult = 0
        if block.name:
            block.name = prefix + block.name
    return layer


def _free(name: str, taken: set[str]) -> str:
    result = free_name(name, taken)
    taken.add(result)
    return result
