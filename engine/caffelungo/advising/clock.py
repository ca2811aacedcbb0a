"""The time that the advice may take, and what is kept of it for each part."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

FEATURES, ROWS, PROBES, CURVE, TRIALS = 0.35, 0.45, 0.6, 0.7, 0.85
"""Shares of the time after which no further input size is read, none but the first compared, no further fold judged, no
learning curve is started that would not end, and no training goes on."""


@dataclass(frozen=True)
class AdviceClock:
    """``minutes`` from the ``start`` (seconds of ``time.monotonic``)."""

    minutes: float
    start: float = field(default_factory=time.monotonic)

    @property
    def total(self) -> float:
        """Seconds."""
        return 60 * self.minutes

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def until(self, share: float) -> float:
        """Seconds until ``share`` of the time is over; negative after it."""
        return share * self.total - self.spent
