"""The losses that the device has computed: looked at once a display interval, smoothed, and shown to observers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from caffelungo.errors import RunError
from caffelungo.report.glog import number
from caffelungo.solve.device_values import LIMIT, Pending, Seen
from caffelungo.solve.observer import Observer
from caffelungo.solve.training import Training


class LossReader:
    """Those of ``training``. ``explain`` makes the error for an iteration whose numbers are not finite."""

    def __init__(self, training: Training, observer: Observer, explain: Callable[[Seen], RunError]) -> None:
        self.training, self.observer, self.explain = training, observer, explain
        self._pending = Pending()
        self._clips: list[Seen] = []

    def add(self, loss: Tensor, flag: Tensor, norm: Tensor | None) -> None:
        """Queue the numbers of the present iteration."""
        self._pending.add(self.training.iteration, loss, flag, norm)

    @property
    def full(self) -> bool:
        """Whether they should be looked at although nothing is displayed."""
        return len(self._pending) >= LIMIT

    def look(self, extra: Sequence[Tensor] = ()) -> list[list[float]]:
        """Wait for the device, take in all losses so far, and return the values of ``extra``.

        RunError names the first layer with a value that is not finite, if there is one.
        """
        training = self.training
        seen, values = self._pending.take(extra)
        for entry in seen:
            if entry.bad and not training.engine.caffe:
                raise self.explain(entry)
            training.smoothed.add(entry.iteration, entry.loss)
            if entry.norm is not None and entry.norm > training.param.clip_gradients:
                self._clips.append(entry)
            self.observer.on_loss(entry.iteration, entry.loss)
        self._log_clips([entry for entry in self._clips if entry.iteration < training.iteration])
        self._clips = [entry for entry in self._clips if entry.iteration >= training.iteration]
        return values

    def settle(self) -> None:
        """As ``look``, with the log lines of the present iteration."""
        self.look()
        self.log_clips()

    def log_clips(self) -> None:
        """Log each clipped gradient that is not logged yet."""
        self._log_clips(self._clips)
        self._clips = []

    def _log_clips(self, entries: Sequence[Seen]) -> None:
        limit = self.training.param.clip_gradients
        for entry in entries:
            norm = entry.norm or 1.0
            factor = float(np.float32(limit) / np.float32(norm))
            self.training.log.info(
                "sgd_solver.cpp:99",
                f"Gradient clipping: scaling down gradients (L2 norm {number(norm)} > {number(limit)}) "
                f"by scale factor {number(factor)}",
            )
