"""What a person sees while a net trains: a progress line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from caffelungo.report.classification_score import score
from caffelungo.report.glog import number
from caffelungo.report.terminal import Terminal

REFRESH = 0.2
"""Seconds between redraws."""
WINDOW = 20.0
"""Seconds over which speed is averaged."""


class Reporter:
    """Progress of ``total`` iterations, each of ``images`` samples. ``quiet`` shows notices only.

    On a terminal one line is redrawn; elsewhere each ``displayed`` and ``tested`` is one plain line.
    """

    def __init__(self, total: int, images: int, *, quiet: bool = False, console: Console | None = None) -> None:
        self.console = console or Terminal(stderr=True, soft_wrap=True)
        self.total, self.images, self.quiet = total, images, quiet
        self.live = self.console.is_terminal and not quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._marks: deque[tuple[float, int]] = deque()
        self._drawn = 0.0
        self._values = ""

    def __enter__(self) -> Reporter:
        if self.live:
            self._bar = Progress(
                TextColumn("[bold]{task.completed:.0f}/{task.total:.0f}"),
                BarColumn(bar_width=14),
                TextColumn("{task.fields[values]}"),
                TextColumn("[dim]{task.fields[speed]}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
                auto_refresh=False,
            )
            self._task = self._bar.add_task("", total=self.total, values="", speed="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.refresh()
            self._bar.stop()
            self._bar = None

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self.quiet:
            self.console.print(text, markup=False)

    def notice(self, text: str) -> None:
        """A line that a person should see even when the rest is quiet."""
        self.console.print(f"notice: {text}", markup=False, style="yellow")

    def start(self, iteration: int) -> None:
        """Count speed from ``iteration`` on."""
        self._marks = deque([(time.monotonic(), iteration)])
        if self._bar and self._task is not None:
            self._bar.reset(self._task, total=self.total, completed=iteration, values="", speed="")

    def advance(self, iteration: int, force: bool = False) -> None:
        """``iteration`` iterations are done; cheap."""
        now = time.monotonic()
        if self._marks and now - self._marks[-1][0] > 1:
            self._marks.append((now, iteration))
            while now - self._marks[1][0] > WINDOW:
                self._marks.popleft()
        if self._bar and self._task is not None and (force or now - self._drawn > REFRESH):
            self._drawn = now
            self._bar.update(self._task, completed=iteration, values=self._values, speed=self._images(now, iteration))
            self._bar.refresh()

    def testing(self, done: int, count: int) -> None:
        """``done`` of ``count`` batches of a test are through."""
        self.busy("testing", done, count)

    def measuring(self, done: int, count: int) -> None:
        """``done`` of ``count`` steps that come before the first iteration are through."""
        if not done and not self.live:
            self.say(f"measuring the attention of delta: {count} forward passes")
        self.busy("measuring", done, count)

    def busy(self, what: str, done: int, count: int) -> None:
        """``done`` of ``count`` of something that is no iteration are through; cheap."""
        now = time.monotonic()
        if self._bar and self._task is not None and now - self._drawn > REFRESH:
            self._drawn = now
            self._bar.update(self._task, values=f"{what} {done}/{count}", speed="")
            self._bar.refresh()

    def displayed(self, iteration: int, loss: float, rate: float) -> None:
        """The smoothed loss and the rate at ``iteration``."""
        self._values = f"loss {loss:.4g}  lr {rate:.3g}"
        if not self.live:
            values = f"loss {number(loss)}  lr {number(rate)}"
            self.say(f"iteration {iteration} of {self.total}  {values}{self._rest(time.monotonic(), iteration)}")

    def tested(self, iteration: int, values: Mapping[str, float], net: int = 0, nets: int = 1) -> None:
        """The outputs of one test."""
        name = f"test net #{net}" if nets > 1 else "test"
        self.say(f"iteration {iteration}  {name}: " + ", ".join(f"{k} {score(k, v)}" for k, v in values.items()))

    def _rate(self, now: float, iteration: int) -> float:
        if not self._marks or iteration <= self._marks[0][1]:
            return 0.0
        return (iteration - self._marks[0][1]) / max(now - self._marks[0][0], 1e-9)

    def _speed(self, now: float, iteration: int) -> str:
        rate = self._rate(now, iteration)
        return f"{_short(rate)} iter/s  {_short(rate * self.images)} images/s" if rate else ""

    def _images(self, now: float, iteration: int) -> str:
        rate = self._rate(now, iteration)
        return f"{_short(rate * self.images)} images/s" if rate else ""

    def _rest(self, now: float, iteration: int) -> str:
        rate = self._rate(now, iteration)
        if not rate:
            return ""
        return f"  {self._speed(now, iteration)}  {duration((self.total - iteration) / rate)} left"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """``1 h 05 min``, ``3 min 20 s``, ``12 s``."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"
