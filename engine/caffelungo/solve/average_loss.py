"""The loss that is shown: a mean over the last ``average_loss`` iterations, in Caffe's float32 steps.

Caffe: Solver::UpdateSmoothedLoss.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

f32 = np.float32


class SmoothedLoss:
    """A ring of the last ``size`` losses. ``start`` is the iteration whose loss is first in the ring."""

    def __init__(self, size: int, start: int = 0, losses: Sequence[float] = (), value: float = 0.0) -> None:
        self.size, self.start = size, start
        self.losses = [f32(loss) for loss in losses]
        self.value = f32(value)

    def add(self, iteration: int, loss: float) -> float:
        """Take in the loss of ``iteration`` and return the smoothed value."""
        new = f32(loss)
        if len(self.losses) < self.size:
            self.losses.append(new)
            count = len(self.losses)
            self.value = (self.value * f32(count - 1) + new) / f32(count)
        else:
            index = (iteration - self.start) % self.size
            self.value = self.value + (new - self.losses[index]) / f32(self.size)
            self.losses[index] = new
        return float(self.value)
