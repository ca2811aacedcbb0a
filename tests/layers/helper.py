"""Run a small net layer by layer with autograd: what layer tests and the comparison with the original share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from google.protobuf import text_format

from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, TRAIN, NetParameter
from caffelungo.layers.base import State
from caffelungo.layers.plan import ParamKey, Plan, build_plan


@dataclass
class Run:
    """A net's blobs after a forward pass, and diffs after a backward pass; arrays by blob or (layer, index)."""

    plan: Plan
    data: dict[str, np.ndarray]
    loss: float
    params: dict[ParamKey, np.ndarray]
    diff: dict[str, np.ndarray]
    param_diff: dict[ParamKey, np.ndarray]


def net(text: str) -> object:
    """A NetParameter from prototxt."""
    return text_format.Parse(text, NetParameter())


def plan_of(text: str, phase: int = TRAIN) -> Plan:
    """The plan of a net given as prototxt."""
    message = net(text)
    return build_plan(message, net_state(message, phase))


def run_net(
    text: str,
    inputs: Mapping[str, np.ndarray],
    params: Mapping[ParamKey, np.ndarray],
    *,
    phase: int = TRAIN,
    passes: int = 1,
    top_diffs: Mapping[str, np.ndarray] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Run:
    """Forward ``passes`` times, then backward once from ``top_diffs`` (scalars with a loss weight: that weight)."""
    message = net(text)
    plan = build_plan(message, net_state(message, TRAIN if phase == TRAIN else TEST))
    store = {
        key: torch.tensor(params[key], dtype=dtype).requires_grad_(use.spec.learned) for key, use in plan.params.items()
    }
    placed = {blob: torch.tensor(value, dtype=dtype).requires_grad_() for blob, value in inputs.items()}
    values: dict[int, torch.Tensor] = {}
    for _ in range(passes):
        values = {}
        for planned in plan.layers:
            if planned.layer.source:
                tops = [placed[top] for top in planned.tops]
            else:
                bottoms = [values[number] for number in planned.bottom_values]
                bottoms = [b.detach() if i in planned.layer.labels else b for i, b in enumerate(bottoms)]
                blobs = [store[use.key] for use in planned.params]
                in_place = any(planned.in_place) and _producer(plan, planned.bottom_values[0]).layer.overwritable
                tops = list(planned.layer.compute(bottoms, blobs, State(inplace=in_place)))
            _check_shapes(planned, tops)
            values.update(zip(planned.top_values, tops, strict=True))
    total = objective = torch.zeros((), dtype=dtype)
    diffs = {plan.value_of(blob): torch.tensor(diff, dtype=dtype) for blob, diff in (top_diffs or {}).items()}
    for planned in plan.layers:
        for number, weight in zip(planned.top_values, planned.loss_weights, strict=True):
            total = total + weight * values[number].sum() if weight else total
            diff = diffs.get(number, torch.tensor(weight, dtype=dtype))
            if values[number].requires_grad and bool(diff.any()):
                objective = objective + (values[number] * diff).sum()
    if objective.requires_grad:
        objective.backward()
    return Run(
        plan,
        {plan.values[number].blob: value.detach().numpy() for number, value in values.items()},
        float(total.detach()),
        {key: value.detach().numpy() for key, value in store.items()},
        {blob: _grad(value) for blob, value in placed.items()},
        {key: _grad(value) for key, value in store.items()},
    )


def _producer(plan: Plan, value: int) -> object:
    return next(planned for planned in plan.layers if value in planned.top_values)


def _grad(value: torch.Tensor) -> np.ndarray:
    return (torch.zeros_like(value) if value.grad is None else value.grad).detach().numpy()


def _check_shapes(planned: object, tops: list[torch.Tensor]) -> None:
    for top, shape in zip(tops, planned.top_shapes, strict=True):
        if shape is not None:
            assert len(shape) == top.dim(), (planned.name, shape, top.shape)
            assert all(a is None or a == b for a, b in zip(shape, top.shape, strict=True)), (shape, top.shape)
