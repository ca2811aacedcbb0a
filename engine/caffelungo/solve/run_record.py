"""What a run shows of itself while it goes on: the console, metrics.csv, curves.png and TensorBoard events."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffelungo.report import curves, tensorboard_events
from caffelungo.report.console import Reporter
from caffelungo.report.glog import CaffeLog
from caffelungo.report.metrics_csv import MetricsFile
from caffelungo.solve import run_folder
from caffelungo.solve.observer import ObservedRun, Observer
from caffelungo.solve.snapshot import Snapshot
from caffelungo.solve.test_result import TestResult

REDRAW = 30.0
"""Seconds between drawings of the curves while the run goes on."""


class RunRecord(Observer):
    """Records a run, or the runs with smaller batches that follow it, as ``title``; ``folder`` comes later."""

    def __init__(self, reporter: Reporter, log: CaffeLog, title: str) -> None:
        self.reporter, self.log, self.title = reporter, log, title
        self.metrics = MetricsFile()
        self.board: Any = None
        self.folder: Path | None = None
        self.began = self.drawn = time.monotonic()
        self.told_log = self.told_metrics = False
        self.tests = 0

    def on_attach(self, run: ObservedRun) -> None:
        self.reporter.images = run.training.images
        self.tests = len(run.training.tests)

    def on_iteration(self, iteration: int) -> None:
        self.reporter.advance(iteration)

    def on_attention(self, done: int, count: int) -> None:
        self.reporter.measuring(done, count)

    def on_test_batch(self, done: int, count: int) -> None:
        self.reporter.testing(done, count)

    def on_test(self, iteration: int, net: int, result: TestResult) -> None:
        values = result.values() | result.measures
        self._add(iteration, "test", values, net)
        self.reporter.tested(iteration, values, net, self.tests)

    def on_display(self, iteration: int, loss: float, rate: float, outputs: Mapping[str, float]) -> None:
        values = {"loss": loss, "lr": rate} | {k: v for k, v in outputs.items() if k != "loss"}
        self._add(iteration, "train", values)
        self.reporter.displayed(iteration, loss, rate)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        if now - self.drawn > REDRAW:
            self.drawn = now
            self._draw()

    def open_board(self, wanted: bool | None) -> None:
        """Write TensorBoard events into ``folder``; where tensorboard is missing, that is a notice if ``wanted``."""
        assert self.folder is not None
        self.board = tensorboard_events.open_board(self.folder)
        if self.board is None:
            tell = self.reporter.notice if wanted else self.reporter.say
            tell("no TensorBoard events: pip install tensorboard")

    def close(self) -> None:
        """What is left in any case; a full disk must not hide the error that ended the run."""
        with contextlib.suppress(OSError):
            self._draw()
            if self.board:
                self.board.close()

    def _add(self, iteration: int, phase: str, values: Mapping[str, float], net: int = 0) -> None:
        if self.log.failed and not self.told_log:
            self.told_log = True
            self.reporter.notice(f"the log cannot be written any more: {self.log.failed.strerror}; training goes on")
        if self.metrics.failed and not self.told_metrics:
            self.told_metrics = True
            reason = self.metrics.failed.strerror
            self.reporter.notice(f"{run_folder.METRICS} cannot be written any more: {reason}; training goes on")
        self.metrics.add(iteration, time.monotonic() - self.began, phase, values, net)
        if self.board:
            tensorboard_events.write(self.board, iteration, phase if not net else f"{phase} #{net}", values)

    def _draw(self) -> None:
        if self.folder:
            curves.draw(self.metrics.points, self.folder / run_folder.CURVES, self.title)
