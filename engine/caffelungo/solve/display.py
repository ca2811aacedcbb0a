"""What Caffe's log says of an iteration that is displayed, and of a test.

Caffe: Solver::Step, SGDSolver::ApplyUpdate, Solver::Test.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from caffelungo.report.glog import number, output_line
from caffelungo.solve.observer import Observer
from caffelungo.solve.test_net import output_weights
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.training import Training

Outputs = Mapping[str, Sequence[float]]
"""The elements of each output blob."""


class Display:
    """The displayed iterations of ``training``."""

    def __init__(self, training: Training, observer: Observer) -> None:
        self.training, self.observer = training, observer
        self.weights = output_weights(training.net)
        if training.near_start:
            self.weights[training.near_start.output] = 0.0
        self._lap = (time.monotonic(), 0)

    @property
    def due(self) -> bool:
        """Whether the present iteration is displayed."""
        display = int(self.training.param.display)
        return bool(display) and self.training.iteration % display == 0

    def start(self) -> None:
        """Measure the speed from here."""
        self._lap = (time.monotonic(), self.training.iteration)

    def outputs(self, outputs: Outputs) -> None:
        """Log the smoothed loss and every output of the train net."""
        training = self.training
        now = time.monotonic()
        lapse, done = now - self._lap[0], training.iteration - self._lap[1]
        speed = number(done / lapse if lapse else float(done))
        self._lap = (now, training.iteration)
        training.log.info(
            "solver.cpp:239",
            f"Iteration {training.iteration} ({speed} iter/s, {number(round(lapse, 3))}s/{training.param.display} "
            f"iters), loss = {number(float(training.smoothed.value))}",
        )
        pairs = [(blob, value) for blob, values in outputs.items() for value in values]
        for index, (blob, value) in enumerate(pairs):
            training.log.info("solver.cpp:258", output_line("Train", index, blob, value, self.weights[blob]))

    def rate(self, rate: float, outputs: Outputs) -> None:
        """Log the learning rate; with it the iteration is displayed."""
        training = self.training
        training.log.info("sgd_solver.cpp:112", f"Iteration {training.iteration}, lr = {number(rate)}")
        scalars = {blob: values[0] for blob, values in outputs.items() if len(values) == 1}
        self.observer.on_display(training.iteration, float(training.smoothed.value), rate, scalars)


def log_test(training: Training, result: TestResult) -> None:
    """Log what a test found."""
    if training.param.test_compute_loss:
        training.log.info("solver.cpp:401", f"Test loss: {number(result.loss)}")
    for position, score in enumerate(result.scores):
        training.log.info("solver.cpp:414", output_line("Test", position, score.blob, score.value, score.weight))
