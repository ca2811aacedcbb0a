"""How much memory a training will take, before it begins.

Parameters, gradients and histories are counted; what the forward pass keeps for the backward pass is found by running
it on one sample.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from caffelungo.layers.base import Shape, count
from caffelungo.net.graph import GraphNet
from caffelungo.plan import memory_limits
from caffelungo.plan.plan import Plan
from caffelungo.solve.engine import Engine
from caffelungo.wording import counted

FLOAT = 4
WORKSPACE = {"cpu": 1, "cuda": 2}
"""Copies of the largest activation that an operator holds beside its result."""


@dataclass(frozen=True)
class MemoryEstimate:
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
        return self.process + self.weights + self.gradients + self.history + self.activations + self.workspace

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
    return f"{count / 1e3:.0f} kB" if count >= 1e3 else counted(count, "byte")


def estimate(
    net: GraphNet, learned: Sequence[Tensor], histories: int, engine: Engine, tests: Sequence[Plan] = ()
) -> MemoryEstimate:
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
    return MemoryEstimate(
        max(0, held), weights, gradients, history, activations, WORKSPACE[engine.device.type] * largest
    )


@contextlib.contextmanager
def _unchanged(net: GraphNet) -> Iterator[None]:
    """Statistics that a forward pass in phase TRAIN moves are put back afterwards."""
    moved = {
        key: net.store.tensors[key].detach().clone()
        for key, use in net.plan.params.items()
        if not use.spec.learned and key in net.store.tensors
    }
    try:
        yield
    finally:
        with torch.no_grad():
            for key, values in moved.items():
                net.store.tensors[key].copy_(values)


def kept_for_backward(net: GraphNet, engine: Engine) -> int:
    """Bytes of the tensors that the forward pass of ``net`` keeps, weights and inputs not counted.

    Found by one sample's forward pass, times the batch; where a net cannot run on one sample, every blob counts.
    """
    shapes = [shape for planned in net.plan.sources for shape in planned.top_shapes]
    batch = next((int(shape[0] or 1) for shape in shapes if shape), 1)
    if any(shape is None or not shape or shape[0] != batch for shape in shapes):
        return _bytes([value.shape for value in net.plan.values])
    inputs = [torch.zeros([1, *(int(n or 1) for n in (shape or ())[1:])], device=engine.device) for shape in shapes]
    if engine.memory_format == torch.channels_last:
        inputs = [i.to(memory_format=torch.channels_last) if i.dim() == 4 else i for i in inputs]
    known = {_storage(tensor) for tensor in (*inputs, *net.store.tensors.values())}
    # Storages are held so that their addresses stay apart.
    kept: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in known:
            kept[_storage(tensor)] = tensor.untyped_storage()
        return tensor

    try:
        with _unchanged(net), saved_tensors_hooks(pack, lambda tensor: tensor), engine.arithmetic():
            net.module(*inputs)
    except (RuntimeError, IndexError, ValueError):
        return _bytes([value.shape for value in net.plan.values])
    return batch * sum(storage.nbytes() for storage in kept.values())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


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
    return memory_limits.available()


def fitting(expected: MemoryEstimate, device: torch.device, batch: int) -> int | None:
    """How many samples of a batch that is ``expected`` to need so much fit on ``device``; None where all do."""
    free = available(device)
    if free is None or expected.total - expected.process <= free:
        return None
    fixed = expected.weights + expected.gradients + expected.history
    each = (expected.activations + expected.workspace) / max(1, batch)
    return math.floor((free - fixed) / each) if each and free > fixed else 0


def too_large(expected: MemoryEstimate, device: torch.device, batch: int) -> str | None:
    """What to say when ``expected`` does not fit on ``device``, else None."""
    fits = fitting(expected, device, batch)
    if fits is None:
        return None
    advice = f"batch_size {fits} would fit (--fit-batch divides it)" if fits else "even one sample would not fit"
    need, free = expected.total - expected.process, available(device) or 0
    return f"the training needs {size(need)}, but {size(free)} are free: {advice}"


def peak() -> int:
    """The largest resident memory of this process so far, in bytes.

    Linux keeps in ru_maxrss what the parent held when it started this process, so VmHWM is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024  # type: ignore[index]
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
