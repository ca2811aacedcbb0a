"""Run a small net layer by layer with autograd: what layer tests and the comparison with the original share."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.layers.base import Shape, State
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import ParamKey, Plan, PlannedLayer
from tests.layers.check_gradient import check_gradient

REARRANGES = ("Reshape", "Slice", "Crop", "Im2col")
"""Types whose tops need not lie in memory as their bottoms do."""


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
    return parse_net(text).message


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


def _producer(plan: Plan, value: int) -> PlannedLayer:
    return next(planned for planned in plan.layers if value in planned.top_values)


def _grad(value: torch.Tensor) -> np.ndarray:
    return (torch.zeros_like(value) if value.grad is None else value.grad).detach().numpy()


def _check_shapes(planned: PlannedLayer, tops: list[torch.Tensor]) -> None:
    for top, shape in zip(tops, planned.top_shapes, strict=True):
        if shape is not None:
            assert len(shape) == top.dim(), (planned.name, shape, top.shape)
            assert all(a is None or a == b for a, b in zip(shape, top.shape, strict=True)), (shape, top.shape)


def layer_net(layer: str, shapes: list[tuple[int, ...]], tops: int = 1) -> str:
    """A net of Input layers ``x0``, ``x1`` ... and one layer ``l`` with tops ``y0`` ...; ``layer`` is its inside."""
    text = ""
    for index, shape in enumerate(shapes):
        dims = " ".join(f"dim: {size}" for size in shape)
        text += f'layer {{ name: "x{index}" type: "Input" top: "x{index}" input_param {{ shape {{ {dims} }} }} }}\n'
    bottoms = " ".join(f'bottom: "x{index}"' for index in range(len(shapes)))
    heads = " ".join(f'top: "y{index}"' for index in range(tops))
    return f'{text}layer {{ name: "l" {layer} {bottoms} {heads} }}\n'


def check_layer(
    layer: str,
    bottoms: list[np.ndarray],
    tops: list[np.ndarray],
    *,
    blobs: list[np.ndarray] | None = None,
    phase: int = TEST,
    gradient: bool = True,
    tolerance: float = 1e-5,
) -> Run:
    """Put one layer through everything that is asked of all of them.

    The tops for these bottoms and blobs; the same with channels last, under a tracer that allows no break, and within
    bfloat16's precision under autocast; gradients against differences in float64; the blobs through a weights file.
    """
    text = layer_net(layer, [bottom.shape for bottom in bottoms], len(tops))
    inputs = {f"x{index}": bottom for index, bottom in enumerate(bottoms)}
    params = {("l", index): blob for index, blob in enumerate(blobs or [])}
    run = run_net(text, inputs, params, phase=phase)
    planned = run.plan.layers[-1]
    assert [use.shape for use in planned.params] == [blob.shape for blob in blobs or []]
    for index, top in enumerate(tops):
        np.testing.assert_allclose(run.data[f"y{index}"], top, atol=tolerance, rtol=tolerance, err_msg=f"top {index}")
    placed = [torch.tensor(bottom, dtype=torch.float32) for bottom in bottoms]
    store = [torch.tensor(blob, dtype=torch.float32) for blob in blobs or []]

    def compute(*tensors: torch.Tensor) -> list[torch.Tensor]:
        return list(planned.layer.compute(tensors, [blob.clone() for blob in store], State()))

    last = [x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x for x in placed]
    after = compute(*last)
    _agree(after, tops, tolerance, "channels last")
    if planned.layer.type not in REARRANGES and "axis: 2" not in layer and all(x.dim() == 4 for x in last):
        assert all(y.is_contiguous(memory_format=torch.channels_last) for y in after if y.dim() == 4)
    _agree(torch.compile(compute, backend="eager", fullgraph=True)(*placed), tops, tolerance, "traced")
    torch._dynamo.reset()
    if planned.layer.differentiable and tops:
        with torch.autocast("cpu", torch.bfloat16):
            _agree(compute(*placed), tops, 0.05, "autocast")
    if gradient and tops and planned.layer.differentiable:
        check_gradient(planned, bottoms, blobs or [])
    if blobs:
        check_weights_file(text, blobs)
    return run


def _agree(got: list[torch.Tensor], want: list[np.ndarray], tolerance: float, what: str) -> None:
    for ours, top in zip(got, want, strict=True):
        np.testing.assert_allclose(ours.float().numpy(), top, atol=tolerance, rtol=tolerance, err_msg=what)


def check_weights_file(text: str, blobs: list[np.ndarray]) -> None:
    from caffelungo.weights import formats
    from caffelungo.weights.weights import Weights

    arrays = [np.ascontiguousarray(blob, np.float32) for blob in blobs]
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".caffemodel", ".caffemodel.h5", ".safetensors"):
            path = Path(folder) / f"weights{suffix}"
            formats.write(path, Weights({"l": arrays}), net(text))
            read = formats.read(path).layers["l"]
            assert len(read) == len(arrays)
            for ours, blob in zip(read, arrays, strict=True):
                np.testing.assert_array_equal(ours, blob)


def refused(layer: str, shapes: list[tuple[int, ...]], what: str, remedy: str = "", tops: int = 1) -> None:
    """Assert that the plan refuses the layer with a message matching ``what`` and a remedy that holds ``remedy``."""
    message = net(layer_net(layer, shapes, tops))
    with pytest.raises(UserError, match=what) as caught:
        build_plan(message, net_state(message, TRAIN))
    assert len(caught.value.problems) == 1
    assert remedy in (caught.value.problems[0].remedy or "")


def shape_of(layer: str, shapes: list[tuple[int, ...]], tops: int = 1, phase: int = TEST) -> list[Shape | None]:
    """The shapes of the layer's tops for these bottom shapes."""
    return list(plan_of(layer_net(layer, shapes, tops), phase).layers[-1].top_shapes)
