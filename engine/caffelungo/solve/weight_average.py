"""An exponential moving average of the weights of a run, which is tested and written in their place.

    w' <- d w' + (1 - d) w     with d = min(ema_decay, (1 + t) / (10 + t)) in iteration t

The second bound lets a short run forget where it began: 0.999^300 = 0.74 of a net would still be its start. Statistics
of BatchNorm are averaged like weights, so that nothing has to be computed anew. Frozen weights stay to the bit.

Polyak and Juditsky 1992; the bound as in TensorFlow's ExponentialMovingAverage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from caffelungo.net.store import Store
from caffelungo.plan.plan import ParamKey, Plan


def averaged(plan: Plan) -> list[ParamKey]:
    """The blobs of ``plan`` that change in training: those that are learned, and statistics."""
    return [key for key, use in plan.params.items() if use.lr_mult or not use.spec.learned]


class WeightAverage:
    """The average of what training changes in ``store``; ``iterations`` are how many it is over."""

    def __init__(self, store: Store, plan: Plan, decay: float) -> None:
        self.store, self.keys, self.decay = store, averaged(plan), float(decay)
        self.iterations = 0
        self._kept: list[Tensor] | None = None
        self.restart(0)

    @property
    def _tensors(self) -> list[Tensor]:
        return [self.store.tensors[key].detach() for key in self.keys]

    def restart(self, iterations: int) -> None:
        """The store holds the average over ``iterations``; 0: it begins with the weights as they are."""
        self.values = [tensor.clone() for tensor in self._tensors]
        self.iterations = iterations

    @torch.no_grad()
    def update(self, frozen: Tensor) -> None:
        """Take in the weights after an iteration; where ``frozen`` (a scalar on the device) is 1, nothing changes."""
        t = self.iterations
        share = (1 - min(self.decay, (1 + t) / (10 + t))) * (1 - frozen)
        apart = torch._foreach_sub(self._tensors, self.values)
        torch._foreach_mul_(apart, share)
        torch._foreach_add_(self.values, apart)
        self.iterations += 1

    def last(self) -> list[Tensor]:
        """The weights themselves, in the order of ``keys``, also where the average is shown."""
        return self._tensors if self._kept is None else self._kept

    @contextmanager
    def shown(self) -> Iterator[None]:
        """In its context the store holds the average; behind it, the weights again."""
        if self._kept is not None:  # a snapshot in the middle of a test
            yield
            return
        tensors = self._tensors
        self._kept = [tensor.clone() for tensor in tensors]
        try:
            torch._foreach_copy_(tensors, self.values)
            yield
        finally:
            torch._foreach_copy_(tensors, self._kept)
            self._kept = None
