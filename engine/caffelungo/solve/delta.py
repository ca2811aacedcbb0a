"""DELTA: feature maps are held near those of the net as it started (Li et al. 2019).

Beside the loss of each batch: weight * 1/2 * the sum over layers and channels of C a_c |FM_c - FM0_c|^2 / places, as a
mean over the batch. C channels, attention a that sums to 1, and FM0 the map of the frozen starting net: Dropout left
out, BatchNorm with stored statistics. (The authors' code sums over its batch of 64.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from caffelungo.errors import Problem, UserError
from caffelungo.layers.precision import full
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.passes.teacher import PREFIX, frozen_copy
from caffelungo.passes.view import Graph
from caffelungo.plan.build_plan import Where, build_plan
from caffelungo.plan.plan import ParamKey, Plan, PlannedLayer
from caffelungo.solve.engine import Engine
from caffelungo.solve.nets import OpenedNet


def held_layers(plan: Plan, options: Any) -> list[PlannedLayer]:
    """The layers that ``options`` (lungo.Delta) names."""
    return [plan.layer(name) for name in options.layer]


class Frozen:
    """Part of a train net as it was: a plan over the same data, and a separate store."""

    def __init__(self, opened: OpenedNet, ends: Sequence[PlannedLayer], tensors: Mapping[ParamKey, Tensor]) -> None:
        plan = opened.plan
        given = {value: top for one in plan.sources for top, value in zip(one.tops, one.top_values, strict=True)}
        teacher = frozen_copy(opened.text.message.layer, Graph(plan), ends, given)
        message = type(opened.text.message)(name=opened.text.message.name)
        message.layer.extend(one.layer.param for one in plan.sources)
        message.layer.extend(teacher.layers)
        shapes = {source.name: source.shapes for source in opened.sources}
        self.plan = build_plan(message, plan.state, sources=shapes)
        device = next((tensor.device for tensor in tensors.values()), torch.device("cpu"))
        self.store = Store(seed=0, device=device)
        self.store.adopt(self.plan, frozenset(one.key for one in self.plan.layers))
        for name, copy in teacher.copied:
            for use, other in zip(plan.layer(name).params, self.plan.layer(copy).params, strict=True):
                if other.owner:
                    self.store.tensors[other.key].data = tensors[use.key]

    def layer(self, original: PlannedLayer) -> PlannedLayer:
        """The copy of a layer of the train net."""
        return self.plan.layer(PREFIX + original.name)

    def top(self, original: PlannedLayer) -> int:
        """The value of the copy's own top, before anything works on it in place."""
        return self.layer(original).top_values[0]


class Delta:
    """The penalty of one run. ``attention``: by layer, one weight a channel that sum to 1; none: all alike."""

    def __init__(
        self,
        opened: OpenedNet,
        options: Any,
        tensors: Mapping[ParamKey, Tensor],
        attention: Mapping[str, Tensor],
        engine: Engine,
        where: Where,
    ) -> None:
        self.weight = float(options.weight)
        self.layers = held_layers(opened.plan, options)
        self.attention = [attention.get(one.name) for one in self.layers]
        self.engine = engine
        _refuse_fresh(opened.plan, self.layers, tensors, where)
        frozen = Frozen(opened, self.layers, tensors)
        watch = [frozen.top(one) for one in self.layers]
        self.net = GraphNet(frozen.plan, frozen.store, watch=watch)
        self.store = frozen.store
        if engine.compile:
            self.net.compile()

    def penalty(self, tensors: Sequence[Tensor], maps: Sequence[Tensor]) -> Tensor:
        """For the batch ``tensors``, whose feature maps the learning net gave as ``maps``."""
        with torch.no_grad(), self.engine.arithmetic():
            _, _, wanted = self.net.look(*tensors)
        terms = [distance(a, b, c) for a, b, c in zip(maps, wanted, self.attention, strict=True)]
        return self.weight * torch.stack(terms).sum()


def distance(one: Tensor, other: Tensor, attention: Tensor | None) -> Tensor:
    """Half the squared distance of two maps (N x C x places), a mean over N and places, times C a_c over channels."""
    squares = (full(one) - full(other)).square()
    scale = 0.5 / (squares.shape[0] * math.prod(squares.shape[2:]))
    if attention is None:
        return squares.sum() * scale
    channels = squares.sum([0, *range(2, squares.dim())])
    return (channels * attention).sum() * (scale * channels.numel())


def _refuse_fresh(plan: Plan, layers: Sequence[PlannedLayer], tensors: Mapping[ParamKey, Tensor], where: Where) -> None:
    """UserError where a held map depends on a layer that no weights were copied to."""
    problems = []
    for k, one in enumerate(layers):
        fresh = [above for above in Graph(plan).upstream([one]) if any(use.key not in tensors for use in above.params)]
        if fresh:
            which = f"`{one.name}`" if fresh[-1] is one else f"`{fresh[0].name}`, which `{one.name}` depends on,"
            problems.append(
                Problem(
                    f"{which} starts from its filler, so there is nothing to hold it near",
                    where("lungo", "delta", "layer", k) or where("lungo"),
                    f'layer: "{one.name}"',
                    "name a layer whose weights, and those of all before it, are copied",
                )
            )
    if problems:
        raise UserError(problems)
