"""Gives an ONNX graph Caffe's names: nodes get the names of layers, tensors the names of blobs.

Where layers work in place, the last writer's tensor bears the blob's name and an earlier one is called
``<blob>/<layer>``; an input always keeps its blob's name. A layer of several nodes ends in the node that bears its
name; the others are called ``<layer>/<operator>``. Weights are ``<layer>.<blob>``, as ``conv1.weight``.

A blob may bear any of the names that are added to it: a blob always keeps its name, and what is added gets a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from caffelungo.passes.view import free_name
from caffelungo.plan.plan import Plan

_Key = tuple[str, str, int]


class BlobNames:
    """The tensor name of every value of ``plan``, the net before folding, where all of its blobs are still there."""

    def __init__(self, plan: Plan) -> None:
        self.renamed: dict[str, str] = {}
        sources = {value for planned in plan.sources for value in planned.top_values}
        fed = {plan.values[value].blob for value in sources}
        self.taken = {value.blob for value in plan.values}
        self._names: dict[_Key, str] = {}
        for index, (value, key) in enumerate(zip(plan.values, _keys(plan, {}), strict=True)):
            last = index == plan.value_of(value.blob)
            plain = index in sources if value.blob in fed else last
            self._names[key] = value.blob if plain else self.free(f"{value.blob}/{value.producer}")
            self.taken.add(self._names[key])

    def of(self, plan: Plan, stands_for: Mapping[str, str] | None = None) -> list[str]:
        """The tensor name of each of ``plan.values``, of the net itself or of the folded one.

        ``stands_for`` says which layer's top a changed layer makes now (see ``Folded``), so that one name means one
        tensor before and after folding.
        """
        return [self._names[key] for key in _keys(plan, stands_for or {})]

    def free(self, wanted: str) -> str:
        """``wanted``, or where a blob bears that name another one, which ``renamed`` notes."""
        found = free_name(wanted, self.taken, "_")
        if found != wanted:
            self.renamed[wanted] = found
        return found


def _keys(plan: Plan, stands_for: Mapping[str, str]) -> list[_Key]:
    """What tells a value from all others, also where two layers bear one name."""
    counted: Counter[tuple[str, str]] = Counter()
    keys = []
    for value in plan.values:
        pair = value.blob, stands_for.get(value.producer, value.producer)
        keys.append((*pair, counted[pair]))
        counted[pair] += 1
    return keys


@dataclass(frozen=True)
class Named:
    """A tensor with its new name and the layer that makes it."""

    value: ir.Value
    name: str
    layer: str


def apply(
    model: ir.Model, values: Sequence[Named], layers: Mapping[str, str], blobs: Mapping[str, str], known: BlobNames
) -> None:
    """Rename everything in ``model``.

    Of several ``values`` for one tensor the last wins; ``layers`` maps a leaf's key to its layer's name, ``blobs`` an
    initializer's name to its new one. Nothing else gets a name of ``known``, also where folding took that blob out.
    """
    graph = model.graph
    given = {id(entry.value): entry.name for entry in values}
    makers = {id(entry.value): entry.layer for entry in reversed(values)}
    _name_nodes(graph, makers, layers)
    taken = known.taken | set(given.values())
    for value in [*graph.inputs, *(output for node in graph for output in node.outputs)]:
        node = value.producer()
        name = given.get(id(value)) or _added(node.name if node is not None and node.name else "value", taken, known)
        taken.add(name)
        given[id(value)] = name
    _name_initializers(graph, blobs, taken, known)
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
            node.name = free_name(f"{name or 'net'}/{node.op_type.lower()}", taken, "_")
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


def _name_initializers(graph: ir.Graph, blobs: Mapping[str, str], taken: set[str], known: BlobNames) -> None:
    renamed = []
    for old, value in list(graph.initializers.items()):
        name = blobs.get(old) or _role(value)
        name = _added(name, taken, known)
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


def _added(wanted: str, taken: set[str], known: BlobNames) -> str:
    """A free name for what is no blob. Only where a blob bears it is that worth telling."""
    name = free_name(wanted, taken, "_")
    if wanted in known.taken:
        known.renamed[wanted] = name
    return name
