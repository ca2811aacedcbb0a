"""Where a value that is not finite came from: the batch is run again, layer by layer, over the frozen weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from caffelungo.errors import RunError
from caffelungo.net.stepwise import StepNet
from caffelungo.plan.plan import PlannedLayer
from caffelungo.report.glog import number
from caffelungo.solve.device_values import Seen
from caffelungo.solve.torch_seeds import seed_iteration
from caffelungo.solve.training import Training


def explain(training: Training, seen: Seen, batches: Sequence[Sequence[Tensor]], good: Path | None) -> RunError:
    """The error for iteration ``seen``: the first layer whose output or gradient is not finite on its ``batches``."""
    found = _in_blobs(training) or _in_batches(training, seen.iteration, batches)
    what = found or f"the loss became {number(seen.loss)}, but not when its batch was run again"
    return _error(training, seen.iteration, what, good)


def in_weights(training: Training, good: Path | None) -> RunError:
    """The error for weights or histories that are not finite when they are to be saved."""
    what = _in_blobs(training) or "the solver's history holds a value that is not finite"
    return _error(training, training.iteration - 1, what, good)


def _error(training: Training, iteration: int, what: str, good: Path | None) -> RunError:
    rate = training.schedule.rate(iteration) if iteration >= 0 else 0.0
    back = f"the newest complete snapshot is {good}" if good else "no snapshot was written before"
    return RunError(
        f"iteration {iteration}: {what}\n"
        f"  received: learning rate {number(rate)}, base_lr {number(training.param.base_lr)}\n"
        "  to do: divide base_lr by ten, or set clip_gradients; check the data of that batch if it happens at any "
        f"rate. Nothing of this was saved; {back}"
    )


def _in_blobs(training: Training) -> str | None:
    for planned in training.plan.layers:
        for position, blob in enumerate(training.store.blobs(planned.key)):
            # Statistics of BatchNorm take part in no forward pass of training, and follow their bottom.
            if planned.params[position].spec.learned and not torch.isfinite(blob).all():
                name = planned.params[position].spec.name
                return f"{name} of layer `{planned.name}` ({planned.layer.type}) holds a value that is not finite"
    return None


def _in_batches(training: Training, iteration: int, batches: Sequence[Sequence[Tensor]]) -> str | None:
    for sub_batch, tensors in enumerate(batches):
        seed_iteration(training.engine.device, training.seed, iteration, sub_batch)
        for source, tensor in zip(training.net.inputs, tensors, strict=True):
            if not torch.isfinite(tensor).all():
                return f"the data holds a value that is not finite, in blob `{source.blob}` of layer `{source.layer}`"
        found = _in_one(training, tensors)
        if found:
            return found
    return None


def _in_one(training: Training, tensors: Sequence[Tensor]) -> str | None:
    steps = StepNet(training.plan, training.store)
    found: list[str] = []

    def tops(planned: PlannedLayer) -> None:
        for blob, value in zip(planned.tops, planned.top_values, strict=True):
            if not found and not torch.isfinite(steps.data[value]).all():
                found.append(f"layer `{planned.name}` ({planned.layer.type}) gives a non-finite value in blob `{blob}`")

    def bottoms(planned: PlannedLayer) -> None:
        for blob, value in zip(planned.bottoms, planned.bottom_values, strict=True):
            if not found and value in steps.diff and not torch.isfinite(steps.diff[value]).all():
                found.append(
                    f"layer `{planned.name}` ({planned.layer.type}) gives a non-finite gradient to blob `{blob}`"
                )
        for parameter in training.store.blobs(planned.key):
            if not found and parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                found.append(
                    f"layer `{planned.name}` ({planned.layer.type}) has a parameter gradient that is not finite"
                )

    with training.engine.arithmetic():
        steps.forward(*tensors, each=tops)
        if not found:
            for parameter in training.learned:
                parameter.grad = None
            steps.backward(each=bottoms)
    for parameter in training.learned:
        parameter.grad = None
    return found[0] if found else None
