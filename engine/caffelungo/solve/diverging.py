"""A loss that has left for good the size it began with, long before it stops being finite."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from pathlib import Path

from caffelungo.errors import RunError
from caffelungo.report.glog import number
from caffelungo.solve.observer import Observer

RISE = 10.0
"""Times the first loss, or that of guessing, from which on a loss counts as risen."""
BURST = 1000.0
"""Times the same from which on one stretch is enough."""
STRETCHES = 5
"""Stretches in a row, each a fifth of the patience, all of whose losses must have risen."""
FIRST = 10
"""Losses whose median is the first loss, where guessing has no known one."""


class Diverging(Observer):
    """Hears every loss; RunError once it stays ``RISE`` times above where it began and does not come back.

    ``chance`` is the loss of a net that guesses: no loss below it counts as risen, however small the first was. Where
    it is not known (a regression), a loss may begin near 0 and rise without harm: that is said, and the run is
    stopped only when it goes on rising. ``good(iteration)`` is the newest snapshot from before an iteration.
    """

    def __init__(
        self, chance: float | None, patience: int, good: Callable[[int], Path | None], say: Callable[[str], None]
    ) -> None:
        self.chance, self.good, self.say = chance, good, say
        self.length = max(1, patience // STRETCHES)
        self.first: list[float] = []
        self.stretch: list[float] = []
        self.risen: deque[float] = deque(maxlen=STRETCHES)
        """Mean losses of the last stretches that have risen."""
        self.began = 0
        self.reported = False

    @property
    def start(self) -> float | None:
        """What the loss is measured by; None before it is known, and for losses that are not above 0."""
        if self.chance is not None:
            return max(self.chance, self.first[0])
        if len(self.first) < FIRST:
            return None
        return median if (median := statistics.median(self.first)) > 0 else None

    def on_loss(self, iteration: int, loss: float) -> None:
        if len(self.first) < FIRST:
            self.first.append(loss)
        if not self.stretch and not self.risen:
            self.began = iteration
        self.stretch.append(loss)
        start = self.start
        if len(self.stretch) < self.length or start is None:
            return
        least, mean = min(self.stretch), statistics.fmean(self.stretch)
        self.stretch = []
        if least <= RISE * start:
            self.risen.clear()
            return
        self.risen.append(mean)
        whole = len(self.risen) == STRETCHES
        if self.chance is not None:
            if least > BURST * start or (whole and self.risen[-1] >= 0.9 * self.risen[0]):
                self.stop(iteration, mean, start)
        elif whole:
            if self.risen[-1] > RISE * self.risen[0]:
                self.stop(iteration, mean, start)
            if not self.reported:
                self.reported = True
                self.say(
                    f"the loss is {number(mean)}, {mean / start:.0f} times its first value, since iteration "
                    f"{self.began}: if that is not intended, divide base_lr by ten, or set clip_gradients"
                )

    def stop(self, iteration: int, mean: float, start: float) -> None:
        """Raise what a person should know of a run that has diverged."""
        good = self.good(self.began)
        back = f"the newest snapshot from before that is {good}" if good else "no snapshot was written before that"
        what = "the loss of a net that guesses" if start == self.chance else "its first value"
        raise RunError(
            f"iteration {iteration}: the training has diverged: the loss has been far above {number(start)}, {what}, "
            f"since iteration {self.began}\n"
            f"  received: a loss of {number(mean)} on average, {mean / start:.3g} times as much\n"
            f"  to do: divide base_lr by ten, or set clip_gradients; {back}. "
            "With --no-stop-diverged training continues"
        )
