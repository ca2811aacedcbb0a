"""debug_info: means of absolute values, layer by layer, in Caffe's words, in the iterations that are displayed.

Caffe: Net::ForwardDebugInfo, BackwardDebugInfo, UpdateDebugInfo.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.report.glog import CaffeLog, number


def mean_abs(tensor: Tensor | None) -> str:
    """The mean absolute value, as Caffe prints it; 0 for a gradient that was never computed."""
    return "0" if tensor is None or not tensor.numel() else number(float(tensor.detach().float().abs().mean()))


def forward_backward(
    log: CaffeLog, plan: Plan, store: Store, tensors: Sequence[Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """A forward and backward pass layer by layer, logged; gradients are in the parameters, the loss is detached."""
    steps = StepNet(plan, store)

    def forward(planned: PlannedLayer) -> None:
        for blob, value in zip(planned.tops, planned.top_values, strict=True):
            what = f"    [Forward] Layer {planned.name}, top blob {blob} data: {mean_abs(steps.data[value])}"
            log.info("net.cpp:572", what)
        for position, blob_tensor in enumerate(store.blobs(planned.key)):
            what = f"    [Forward] Layer {planned.name}, param blob {position} data: {mean_abs(blob_tensor)}"
            log.info("net.cpp:584", what)

    def backward(planned: PlannedLayer) -> None:
        for blob, value in zip(planned.bottoms, planned.bottom_values, strict=True):
            if value in steps.diff:
                what = f"    [Backward] Layer {planned.name}, bottom blob {blob} diff: {mean_abs(steps.diff[value])}"
                log.info("net.cpp:600", what)
        for position, blob_tensor in enumerate(store.blobs(planned.key)):
            if blob_tensor.requires_grad:
                what = f"    [Backward] Layer {planned.name}, param blob {position} diff: {mean_abs(blob_tensor.grad)}"
                log.info("net.cpp:611", what)

    loss = steps.forward(*tensors, each=forward)
    steps.backward(each=backward)
    learned = [store.tensors[key] for key in plan.params if key in store.tensors]
    gradients = [param.grad for param in learned if param.grad is not None]
    sums = [number(float(_norm(list(group), order))) for order in (1, 2) for group in (learned, gradients)]
    log.info(
        "net.cpp:671",
        f"    [Backward] All net params (data, diff): L1 norm = ({sums[0]}, {sums[1]}); "
        f"L2 norm = ({sums[2]}, {sums[3]})",
    )
    return loss.detach(), {blob: steps.blob(blob) for blob in plan.outputs}


def _norm(tensors: Sequence[Tensor], order: int) -> Tensor:
    if not tensors:
        return torch.zeros(())
    norms = torch.stack([torch.linalg.vector_norm(tensor.detach().float(), order) for tensor in tensors])
    return torch.linalg.vector_norm(norms, order)


def log_update(log: CaffeLog, plan: Plan, store: Store, before: dict[tuple[str, int], Tensor]) -> None:
    """Log each owned parameter and by how much it changed since ``before``."""
    for key in plan.params:
        tensor = store.tensors[key]
        change = before[key] - tensor.detach()
        what = f"    [Update] Layer {key[0]}, param {key[1]} data: {mean_abs(before[key])}; diff: {mean_abs(change)}"
        log.info("net.cpp:633", what)
