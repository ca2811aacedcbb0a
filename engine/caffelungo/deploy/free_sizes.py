"""Pictures of any height and width: what a net must be for that, and its graph with those sizes left open.

A fully convolutional net slides its layers over a picture of any size. The graph is traced at one size with forms of
its operators that hold at all sizes (``operators``); here the sizes are taken out again. Whether that was right, the
proof shows, at several sizes. No torch.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from caffelungo import shell
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST
from caffelungo.deploy.deploy_net import DeployNet
from caffelungo.errors import Problem
from caffelungo.layers import windows
from caffelungo.layers.base import shape_text
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan, PlannedLayer

HEIGHT, WIDTH = "height", "width"
LARGER = (((13, 6), (2, 23)), ((32, 64), (64, 32)))
"""How much larger the further sizes are; the second pair for nets that halve planes and join them again."""


def other_sizes(net: DeployNet) -> list[tuple[int, int]]:
    """Two further sizes, (height, width), at which the net is tried: odd ones, unless only multiples of 32 fit."""
    height, width = next(iter(net.inputs.values()))[2:]
    pairs = [[(height + more, width + wider) for more, wider in pair] for pair in LARGER]
    return next((pair for pair in pairs if not any(_resized(net, size)[1] for size in pair)), pairs[0])


def problems_of_free_sizes(net: DeployNet, record: Any | None) -> list[Problem]:
    """Everything that keeps ``net`` from taking pictures of any size; ``record`` is what goes into the graph."""
    shapes = list(net.inputs.values())
    if len(shapes) != 1 or len(shapes[0]) != 4:
        received = ", ".join(f"`{blob}` {shape_text(shape)}" for blob, shape in net.inputs.items())
        remedy = "remove --dynamic-size"
        return [Problem("only a net with a single picture as input can accept any size", None, received, remedy)]
    problems = []
    if record is not None and record.mean_image:
        problems.append(
            Problem("a mean picture fits only one size", received=f"{shape_text(tuple(record.mean_image_shape))}",
                    remedy="use one value per channel: lungo convert --mean 104,117,123")
        )  # fmt: skip
    plans = [_resized(net, size) for size in other_sizes(net)]
    reported: set[str] = set()
    for (height, width), (plan, found) in zip(other_sizes(net), plans, strict=True):
        problems += [
            Problem(f"at {height}x{width} the net is inconsistent: {one.what}", one.where, one.received,
                    one.remedy)
            for one in found
        ]  # fmt: skip
        for ours, theirs in zip(net.plan.layers, plan.layers, strict=False):
            problem = _fixed(ours, theirs)
            if problem is not None and ours.name not in reported:
                reported.add(ours.name)
                problems.append(problem)
    for planned in net.plan.layers:
        if why := planned.layer.free_size_problem():
            problems.append(
                Problem(f"layer `{planned.name}` ({planned.layer.type}) has no form that works at every size",
                        received=why, remedy="choose a kernel at least as large as stride and pad together")
            )  # fmt: skip
        if planned.layer.type == "Convolution" and _reaches_beyond(planned):
            problems.append(
                Problem(f"layer `{planned.name}` (Convolution) has no form that works at every size",
                        received=f"its kernel reaches beyond its bottom, {shape_text(planned.bottom_shapes[0])}",
                        remedy="export the net at a larger size: --size")
            )  # fmt: skip
    return problems


def _reaches_beyond(planned: PlannedLayer) -> bool:
    layer: Any = planned.layer
    shape = planned.bottom_shapes[0] or ()
    axis, _axes, (kernel, _stride, pad, dilation) = layer.layout([shape])
    return any(windows.beyond(tuple(int(size or 0) for size in shape[axis + 1 :]), kernel, pad, dilation))


def _resized(net: DeployNet, size: tuple[int, int]) -> tuple[Plan, list[Problem]]:
    message = type(net.message)()
    message.CopyFrom(net.message)
    for layer in message.layer:
        if layer.type == "Input":
            layer.input_param.shape[0].dim[2:] = size
    problems: list[Problem] = []
    return build_plan(message, net_state(message, TEST), problems=problems), problems


def _fixed(ours: Any, theirs: Any) -> Problem | None:
    if any(mine.shape != other.shape for mine, other in zip(ours.params, theirs.params, strict=False)):
        mine, other = (shape_text(one.bottom_shapes[0]) for one in (ours, theirs))
        return Problem(
            f"layer `{ours.name}` ({ours.layer.type}) has weights for one size",
            received=f"bottom {mine}, and {other} at another size",
            remedy=f"make it a Convolution: lungo rewrite NET --cast {shell.word(ours.name)}"
            if ours.layer.type == "InnerProduct" else "remove --dynamic-size",
        )  # fmt: skip
    if ours.layer.fixed_sizes and ours.bottom_shapes != theirs.bottom_shapes:
        return Problem(
            f"layer `{ours.name}` ({ours.layer.type}) contains fixed sizes",
            received=f"bottom {shape_text(ours.bottom_shapes[0])}",
            remedy="end the net before it: --outputs " + ",".join(ours.bottoms),
        )
    return None


def open_sizes(model: ir.Model, layout: str, net: DeployNet) -> None:
    """Name what is open in the one input of ``model`` (``NHWC`` or ``NCHW``) and its outputs, and state the rest."""
    given = model.graph.inputs[0]
    _, channels, _, _ = next(iter(net.inputs.values()))
    plane = [ir.SymbolicDim(HEIGHT), ir.SymbolicDim(WIDTH)]
    batch = (given.shape or ir.Shape([1]))[0]
    given.shape = ir.Shape([batch, *plane, channels] if layout == "NHWC" else [batch, channels, *plane])
    plan, _ = _resized(net, other_sizes(net)[0])
    for node in model.graph:
        for value in node.outputs:
            value.shape = None
    for output in model.graph.outputs:
        blob = str(output.name)
        output.shape = ir.Shape([
            batch if axis == 0 else ours if ours == theirs else ir.SymbolicDim(f"{blob}_{axis}")
            for axis, (ours, theirs) in enumerate(
                zip(net.plan.blobs[blob] or (), plan.blobs[blob] or (), strict=True)
            )
        ])  # fmt: skip
