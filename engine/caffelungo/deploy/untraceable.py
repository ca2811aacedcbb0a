"""Finds out why a net could not be traced, layer by layer, so that all failing layers are reported."""

from __future__ import annotations

from typing import Any

from caffelungo import shell
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, LayerParameter, NetParameter
from caffelungo.deploy.trace import capture, trace
from caffelungo.errors import Problem
from caffelungo.layers.base import shape_text
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan, PlannedLayer


def untraceable(plan: Plan, opset: int, batch: int | None, error: Exception) -> list[Problem]:
    """A problem for every layer of ``plan`` that the exporter refuses; for the whole net where it refuses none."""
    return _refused(plan, None, batch) or _refused(plan, opset, batch) or [_whole(batch, error)]


def _refused(plan: Plan, opset: int | None, batch: int | None) -> list[Problem]:
    """Without ``opset`` only what cannot be captured, which is quick to find."""
    problems = []
    tried: dict[bytes, str] = {}
    for planned in plan.layers:
        if planned.layer.source:
            continue
        kind = _kind(planned)
        if kind not in tried:
            tried[kind] = _failure(planned, opset, batch)
        if not tried[kind]:
            continue
        mixes = batch is None and not _failure(planned, opset, 1)
        problems.append(
            Problem(
                f"layer `{planned.name}` ({planned.layer.type}) mixes the pictures of a batch, or fixes the batch size"
                if mixes else f"layer `{planned.name}` ({planned.layer.type}) cannot be written as ONNX",
                received=", ".join(map(shape_text, planned.bottom_shapes)) + ("" if mixes else f"; {tried[kind]}"),
                remedy="fix the batch size: --batch 1" if mixes
                else "remove it from the net, or end before it: --outputs "
                f"{shell.word(','.join(planned.bottoms))}",
            )
        )  # fmt: skip
    return problems


def _whole(batch: int | None, error: Exception) -> Problem:
    if batch is None:
        remedy = "fix the batch size: --batch 1"
        return Problem("the net does not work at every batch size", received=first_line(error), remedy=remedy)
    remedy = "end before these layers with --outputs, or report the net"
    return Problem("the net cannot be written as ONNX", received=first_line(error), remedy=remedy)


def first_line(error: Exception) -> str:
    """What an exception says, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]


def _kind(planned: PlannedLayer) -> bytes:
    copy = _alone(planned)
    copy.name = ""
    shapes = repr((planned.bottom_shapes, [use.shape for use in planned.params]))
    return bytes(copy.SerializeToString(deterministic=True)) + shapes.encode()


def _alone(planned: PlannedLayer) -> Any:
    """The layer with separate bottoms and tops."""
    layer = LayerParameter()
    layer.CopyFrom(planned.layer.param)
    layer.bottom[:] = [f"bottom{i}" for i in range(len(planned.bottoms))]
    layer.top[:] = [f"top{i}" for i in range(len(planned.tops))]
    layer.ClearField("param")
    return layer


def _failure(planned: PlannedLayer, opset: int | None, batch: int | None) -> str:
    """What the exporter says of a net of this one layer; empty when it writes it."""
    layer = _alone(planned)
    net = NetParameter()
    for name, shape in zip(layer.bottom, planned.bottom_shapes, strict=True):
        given = net.layer.add(name=name, type="Input", top=[name])
        sizes = [int(size or 1) for size in shape or ()]
        given.input_param.shape.add(dim=[batch, *sizes[1:]] if batch else sizes)
    net.layer.append(layer)
    try:
        alone = build_plan(net, net_state(net, TEST))
        if opset is None:
            capture(alone, Store(alone, seed=0), batch)
        else:
            trace(alone, Store(alone, seed=0), list(layer.top), opset=opset, batch=batch)
    except Exception as error:
        return first_line(error)
    return ""
