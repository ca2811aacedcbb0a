"""Caffe's names on an ONNX graph: nodes bear layers' names, tensors bear blobs' names.

Where layers work in place, the last writer's tensor bears the blob's name and an earlier one is called
``<blob>/<layer>``; an input always keeps its blob's name. A layer of several nodes ends in the node that bears its
name; the others are called ``<layer>/<operator>``. Weights are ``<layer>.<blob>``, as ``conv1.weight``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from caffelungo.layers.plan import Plan


def value_names(plan: Plan, stands_for: Mapping[str, str] | None = None) -> list[str]:
    """The tensor name of each of ``plan.values``.

    ``stands_for`` says which layer's top a changed layer makes now (see ``fold.Folded``), so that one name means one
    tensor before and after folding.
    """
    other = stands_for or {}
    sources = {value for planned in plan.sources for value in planned.top_values}
    fed = {plan.values[value].blob for value in sources}
    names = []
    for index, value in enumerate(plan.values):
        last = index == plan.value_of(value.blob)
        plain = index in sources if value.blob in fed else last
        names.append(value.blob if plain else f"{value.blob}/{other.get(value.producer, value.producer)}")
    return names


@dataclass(frozen=True)
class Named:
    """A tensor with its new name and the layer that makes it."""

    value: ir.Value
    name: str
    layer: str


def apply(model: ir.Model, values: Sequence[Named], layers: Mapping[str, str], blobs: Mapping[str, str]) -> None:
    """Rename everything in ``model``.

    Of several ``values`` for one tensor the last wins; ``layers`` maps a leaf's key to its layer's name, ``blobs`` an
    initializer's name to its new one.
    """
    graph = model.graph
    given = {id(entry.value): entry.name for entry in values}
    makers = {id(entry.value): entry.layer for entry in reversed(values)}
    _name_nodes(graph, makers, layers)
    taken: set[str] = set(given.values())
    for value in [*graph.inputs, *(output for node in graph for output in node.outputs)]:
        node = value.producer()
        name = given.get(id(value)) or _free(node.name if node is not None and node.name else "value", taken)
        taken.add(name)
        given[id(value)] = name
    _name_initializers(graph, blobs, taken)
    everything = [*graph.inputs, *(output for node in graph for output in node.outputs)]
    for position, value in enumerate(everything):
        value.name = f"\0{position}"
    for value in everything:
        value.name = given[id(value)]


def _name_nodes(graph: ir.Graph, makers: Mapping[int, str], layers: Mapping[str, str]) -> None:
    owner = {id(node): _layer_of(node, layers) or _maker_of(node, makers) for node in graph}
    ends = {}
    for node in graph:
        ends[owner[id(node)]] = node
    taken = {name for name in owner.values() if name}
    for node in graph:
        name = owner[id(node)]
        if ends[name] is node and name:
            node.name = name
        else:
            node.name = _free(f"{name or 'net'}/{node.op_type.lower()}", taken)
            taken.add(node.name)


def _layer_of(node: ir.Node, layers: Mapping[str, str]) -> str:
    """The layer that a node was traced from, by the modules it ran in."""
    scopes = node.metadata_props.get("pkg.torch.onnx.name_scopes", "")
    for key in (part.strip(" '\"[]") for part in scopes.split(",")):
        if key in layers:
            return layers[key]
    return ""


def _maker_of(node: ir.Node, makers: Mapping[int, str]) -> str:
    """The layer whose top ``node`` gives, for a node that folding made anew."""
    return next((makers[id(output)] for output in node.outputs if id(output) in makers), "")


def _name_initializers(graph: ir.Graph, blobs: Mapping[str, str], taken: set[str]) -> None:
    renamed = []
    for old, value in list(graph.initializers.items()):
        name = blobs.get(old) or _role(value)
        name = _free(name, taken)
        taken.add(name)
        renamed.append((value, name))
    graph.initializers.clear()
    for value, name in renamed:
        value.name = name
        if value.const_value is not None:
            value.const_value.name = name
        graph.initializers[name] = value


def _role(value: ir.Value) -> str:
    """A constant's name: its reader's, and what it is to that reader, as ``fc6/reshape.shape``."""
    for use in value.uses():
        schema = onnx.defs.get_schema(use.node.op_type)
        formal = schema.inputs[min(use.idx, len(schema.inputs) - 1)].name.lower()
        return f"{use.node.name}.{formal}"
    return "constant"


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
