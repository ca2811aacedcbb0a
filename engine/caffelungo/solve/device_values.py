"""What the device has computed and the host has not yet looked at: losses, health flags, gradient norms.

One look (``take``) is one wait of the host for the device; the loop looks once a display interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LIMIT = 500
"""Iterations after which the loop looks even when nothing is displayed."""


@dataclass(frozen=True)
class Seen:
    """One iteration: its loss, whether it or a later check was non-finite, and the gradient norm where it was taken."""

    iteration: int
    loss: float
    bad: bool
    norm: float | None


class Pending:
    """A queue of iterations whose numbers are still on the device."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, Tensor, Tensor, Tensor | None]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, iteration: int, loss: Tensor, flag: Tensor, norm: Tensor | None) -> None:
        """Queue the scalars of one iteration."""
        self._entries.append((iteration, loss, flag, norm))

    def take(self, extra: Sequence[Tensor] = ()) -> tuple[list[Seen], list[list[float]]]:
        """All queued iterations and the values of ``extra`` tensors, in one transfer."""
        entries, self._entries = self._entries, []
        parts = [tensor for _, *tensors in entries for tensor in tensors if tensor is not None] + list(extra)
        if not parts:
            return [], []
        values = iter(torch.cat([part.detach().reshape(-1).float() for part in parts]).tolist())
        seen = [
            Seen(iteration, next(values), bool(next(values)), None if norm is None else next(values))
            for iteration, _, _, norm in entries
        ]
        return seen, [[next(values) for _ in range(tensor.numel())] for tensor in extra]
