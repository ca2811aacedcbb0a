"""From a plan to a flat ``torch.fx.GraphModule``: one leaf module a layer, over a store of weights.

Keys are escaped for PyTorch; the Caffe names travel in ``node.meta["caffe"]`` and are what messages and files show.
"""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from caffelungo.layers.base import Layer, State
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan, PlannedLayer


class LayerModule(nn.Module):
    """The leaf that runs one layer: its description, and the blobs it uses as parameters ``blob0``, ``blob1`` ..."""

    def __init__(self, planned: PlannedLayer, blobs: Sequence[nn.Parameter], state: State) -> None:
        super().__init__()
        self.layer: Layer = planned.layer
        self.state = state
        self.single = len(planned.tops) == 1
        self.blob_names = tuple(f"blob{position}" for position in range(len(blobs)))
        for name, blob in zip(self.blob_names, blobs, strict=True):
            self.register_parameter(name, blob)
        closed = [not passes for passes in planned.propagate_down]
        if not planned.layer.differentiable:
            closed = [True] * len(planned.bottoms)
        self.closed = tuple(index for index, shut in enumerate(closed) if shut)

    def forward(self, *bottoms: Tensor) -> Any:
        if self.closed:
            bottoms = tuple(bottom.detach() if index in self.closed else bottom for index, bottom in enumerate(bottoms))
        tops = self.layer.compute(bottoms, [getattr(self, name) for name in self.blob_names], self.state)
        return tops[0] if self.single else tuple(tops)

    def extra_repr(self) -> str:
        return f"{self.layer.name!r}, {self.layer.type}"


@dataclass(frozen=True)
class NetInput:
    """One placeholder of the graph: the top ``blob`` of the source ``layer``."""

    layer: str
    blob: str


class GraphNet:
    """A runnable net: ``module`` takes the sources' tops in the order of ``inputs``, returns (loss, *outputs, *maps).

    ``outputs`` are the names of the net's output blobs in Caffe's (alphabetical) order; ``loss`` is the weighted sum of
    all losses, or None for a net without one. ``watch`` are values of the plan whose tensors ``look`` gives as well.
    """

    def __init__(self, plan: Plan, store: Store, *, overwrite: bool = True, watch: Sequence[int] = ()) -> None:
        store.adopt(plan)
        self.plan, self.store = plan, store
        self.inputs = [NetInput(planned.name, top) for planned in plan.sources for top in planned.tops]
        self.outputs = plan.outputs
        self.module = _build(plan, store, overwrite, watch)
        self.has_loss = any(weight for planned in plan.layers for weight in planned.loss_weights)
        self.call: Any = self.module

    def compile(self, **options: Any) -> None:
        """Run through ``torch.compile`` from now on."""
        self.call = torch.compile(self.module, **options)

    def forward(self, *tensors: Tensor) -> tuple[Tensor | None, dict[str, Tensor]]:
        """(total loss, every output blob by name) for the tensors of ``inputs``."""
        loss, outputs, _ = self.look(*tensors)
        return loss, outputs

    def look(self, *tensors: Tensor) -> tuple[Tensor | None, dict[str, Tensor], list[Tensor]]:
        """What ``forward`` gives, and the tensors of the watched values."""
        loss, *values = self.call(*tensors)
        count = len(self.outputs)
        outputs = dict(zip(self.outputs, values[:count], strict=True))
        return (loss if self.has_loss else None), outputs, values[count:]

    __call__ = forward


def _build(plan: Plan, store: Store, overwrite: bool, watch: Sequence[int] = ()) -> fx.GraphModule:
    graph, root, nodes = fx.Graph(), nn.Module(), {}
    for planned in plan.sources:
        for top, value in zip(planned.tops, planned.top_values, strict=True):
            nodes[value] = _name(graph.placeholder(_escape(f"{top}_{value}" if value else top)), planned, [top])
    terms: list[tuple[fx.Node, float]] = []
    for planned in plan.layers:
        if not planned.layer.source:
            key = _unique(root, _escape(planned.key))
            blobs = store.blobs(planned.key)
            free = overwrite and planned.bottom_values[:1] not in {(value,) for value in watch}
            root.add_module(key, LayerModule(planned, blobs, State(free and may_overwrite(plan, planned))))
            node = _name(
                graph.call_module(key, tuple(nodes[value] for value in planned.bottom_values)), planned, planned.tops
            )
            for position, value in enumerate(planned.top_values):
                nodes[value] = node if len(planned.top_values) == 1 else _item(graph, node, planned, position)
        terms += [(nodes[v], w) for v, w in zip(planned.top_values, planned.loss_weights, strict=True) if w]
    loss = _total(graph, terms)
    outputs = [nodes[plan.value_of(blob)] for blob in plan.outputs]
    graph.output((loss, *outputs, *(nodes[value] for value in watch)))
    graph.lint()
    return fx.GraphModule(root, graph)


def _item(graph: fx.Graph, node: fx.Node, planned: PlannedLayer, position: int) -> fx.Node:
    return _name(graph.call_function(operator.getitem, (node, position)), planned, [planned.tops[position]])


def _name(node: fx.Node, planned: PlannedLayer, tops: Sequence[str]) -> fx.Node:
    node.meta["caffe"] = {"layer": planned.name, "type": planned.layer.type, "tops": list(tops)}
    return node


def _total(graph: fx.Graph, terms: Sequence[tuple[fx.Node, float]]) -> fx.Node | None:
    total: fx.Node | None = None
    for node, weight in terms:
        term = graph.call_function(torch.sum, (node,))
        if weight != 1:
            term = graph.call_function(operator.mul, (term, weight))
        total = term if total is None else graph.call_function(operator.add, (total, term))
    return total


def may_overwrite(plan: Plan, planned: PlannedLayer) -> bool:
    """Whether this layer may write its top into its bottom's memory.

    Its bottom must be new memory that nobody else reads, neither another layer nor the backward pass of its producer.
    """
    if len(planned.bottom_values) != 1:
        return False
    value = planned.bottom_values[0]
    producers = [other for other in plan.layers if value in other.top_values]
    return (
        len(producers) == 1
        and producers[0].layer.overwritable
        and not any(producers[0].loss_weights)
        and len(plan.consumers(value)) == 1
        and plan.values[value].blob not in _read_outside(plan, value)
    )


def _read_outside(plan: Plan, value: int) -> set[str]:
    return {blob for blob in plan.outputs if plan.value_of(blob) == value}


def _escape(name: str) -> str:
    escaped = re.sub(r"\W", "_", name)
    return escaped if escaped.isidentifier() and not keyword.iskeyword(escaped) else f"_{escaped}"


def _unique(root: nn.Module, key: str) -> str:
    reserved = set(dir(root))
    candidate, number = key, 2
    while candidate in reserved or hasattr(root, candidate):
        candidate, number = f"{key}_{number}", number + 1
    return candidate
