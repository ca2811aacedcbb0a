"""What is asked of all gradients before an update: are they finite, and how long are they together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan

SMALL = 8192
"""A blob of at most so many elements is cheap to look through."""


def sentinels(plan: Plan, store: Store) -> list[nn.Parameter]:
    """One parameter a learning layer whose gradient shows a non-finite gradient of that layer's top.

    A bias' gradient sums the top's gradient, so one value that is not finite shows in it at a thousandth of the
    weights' cost; layers without a small blob are watched through their smallest one.
    """
    chosen: dict[int, nn.Parameter] = {}
    for planned in plan.layers:
        learning = [blob for blob in store.blobs(planned.key) if blob.requires_grad]
        if learning:
            smallest = min(learning, key=lambda blob: blob.numel())
            chosen[id(smallest)] = smallest
    return list(chosen.values())


def total(gradients: Sequence[Tensor]) -> Tensor:
    """The L2 norm of all ``gradients`` together, a scalar on their device."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))


def largest(gradients: Sequence[Tensor]) -> Tensor:
    """The largest absolute value in ``gradients``, or NaN; unlike a sum of squares it cannot overflow."""
    return torch.stack(torch._foreach_norm(list(gradients), math.inf)).max()


@torch.no_grad()
def not_finite(*scalars: Tensor) -> Tensor:
    """1 where any of ``scalars`` is not finite, else 0 (float32, on the device)."""
    return torch.isfinite(torch.stack([scalar.float() for scalar in scalars])).all().logical_not().float()


@torch.no_grad()
def clip_scale(norm: Tensor, limit: float, iter_size: int) -> float | Tensor:
    """What gradients of the length ``norm`` are multiplied by: down to ``limit`` where longer, then 1/iter_size."""
    return torch.where(norm > limit, limit / norm, 1.0) / iter_size
