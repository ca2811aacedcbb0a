"""How much memory a training will take, before it begins.

Parameters, gradients and histories are counted; what the forward pass keeps for the backward pass is found by running
it on tensors without memory (torch's meta device).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from caffelungo.layers.base import Shape, count
from caffelungo.layers.plan import Plan
from caffelungo.net.graph import Net
from caffelungo.solve.engine import Engine

FLOAT = 4
WORKSPACE = {"cpu": 1, "cuda": 2}
"""Copies of the largest activation that an operator holds beside its result."""


@dataclass(frozen=True)
class Estimate:
    """Bytes of each part. ``process`` is what the process holds already, besides the weights (CPU only)."""

    process: int
    weights: int
    gradients: int
    history: int
    activations: int
    workspace: int

    @property
    def total(self) -> int:
        """The expected peak in bytes."""
        return (
            self.process + self.weights + self.gradients + self.history + self.activations + self.workspace
        )

    def describe(self) -> str:
        """One line for people."""
        return (
            f"about {size(self.total)} of memory: {size(self.weights)} weights, "
            f"{size(self.gradients + self.history)} gradients and history, {size(self.activations)} activations, "
            f"{size(self.workspace)} workspace" + (f", {size(self.process)} the program" if self.process else "")
        )


def size(count: int) -> str:
    """``1.2 GB``, ``34 MB``, ``5 kB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.2g} {unit}" if count < 10 * scale else f"{count / scale:.0f} {unit}"
    return f"{count / 1e3:.0f} kB"


def estimate(net: Net, learned: Sequence[Tensor], histories: int, engine: Engine, tests: Sequence[Plan] = ()) -> Estimate:
    """The peak of training ``net``, whose solver keeps ``histories`` tensors for each of ``learned``."""
    weights = sum(tensor.numel() * FLOAT for tensor in net.store.tensors.values())
    gradients = sum(tensor.numel() * FLOAT for tensor in learned if tensor.requires_grad)
    history = histories * sum(tensor.numel() * FLOAT for tensor in learned)
    inputs = _bytes([shape for planned in net.plan.sources for shape in planned.top_shapes])
    kept = kept_for_backward(net, engine)
    largest = max((_bytes([value.shape]) for value in net.plan.values), default=0)
    tested = max((_widest(plan) for plan in tests), default=0)
    held = process_bytes() - weights - history if engine.device.type == "cpu" else 0
    activations = max(kept + inputs, tested)
    return Estimate(max(0, held), weights, gradients, history, activations, WORKSPACE[engine.device.type] * largest)


def kept_for_backward(net: Net, engine: Engine) -> int:
    """Bytes of the tensors that the forward pass of ``net`` keeps, weights and inputs not counted."""
    with torch.device("meta"):
        inputs = [
            torch.empty([int(n or 1) for n in shape or ()], requires_grad=False)
            for planned in net.plan.sources
            for shape in planned.top_shapes
        ]
    if engine.memory_format == torch.channels_last:
        inputs = [i.to(memory_format=torch.channels_last) if i.dim() == 4 else i for i in inputs]
    weights = {
        name: torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)
        for name, tensor in net.module.named_parameters(remove_duplicate=False)
    }
    known = {_storage(tensor) for tensor in (*inputs, *weights.values())}
    kept: dict[int, tuple[Any, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = (storage, storage.nbytes())
        return tensor

    try:
        with saved_tensors_hooks(pack, lambda tensor: tensor), torch.autocast(
            "cpu", torch.bfloat16, enabled=engine.precision == "bf16"
        ):
            torch.func.functional_call(net.module, weights, tuple(inputs))
    except (RuntimeError, NotImplementedError, TypeError):
        # A layer that looks at values cannot run without them; then every blob counts.
        return _bytes([value.shape for value in net.plan.values])
    return sum(nbytes for _, nbytes in kept.values())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _bytes(shapes: Sequence[Shape | None]) -> int:
    return sum(FLOAT * (count(shape) or 0) for shape in shapes if shape is not None)


def _widest(plan: Plan) -> int:
    """Bytes of the bottoms and tops of the layer of ``plan`` that has the most: nothing else is alive in a test."""
    return max((_bytes([*p.bottom_shapes, *p.top_shapes]) for p in plan.layers), default=0)


def process_bytes() -> int:
    """Resident memory of this process, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    import resource

    return pages * resource.getpagesize()


def available(device: torch.device) -> int | None:
    """Free bytes on ``device``, None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def too_large(expected: Estimate, device: torch.device, batch: int) -> str | None:
    """What to say when ``expected`` does not fit on ``device``, else None."""
    free = available(device)
    need = expected.total - expected.process
    if free is None or need <= free:
        return None
    fixed = expected.weights + expected.gradients + expected.history
    each = (expected.activations + expected.workspace) / max(1, batch)
    fits = math.floor((free - fixed) / each) if each and free > fixed else 0
    advice = f"batch_size {fits} would fit" if fits else "even one sample would not fit"
    return f"the training needs {size(need)}, but {size(free)} are free: {advice}"
