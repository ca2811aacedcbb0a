"""Training a net as a solver file says, in Caffe's order of things.

Caffe: Solver::Step, Solver::TestAll. ``loop.solve`` is the whole run; ``Solver.step`` is a number of iterations of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from caffelungo.definition.definition import Definition
from caffelungo.errors import RunError
from caffelungo.report.glog import CaffeLog, number
from caffelungo.solve import labels_outside, nonfinite, resume_state, snapshot
from caffelungo.solve.action import Action
from caffelungo.solve.average_loss import SmoothedLoss
from caffelungo.solve.build_training import build_training
from caffelungo.solve.device_values import Seen
from caffelungo.solve.display import Display, log_test
from caffelungo.solve.engine import Engine
from caffelungo.solve.iteration import Iteration
from caffelungo.solve.loss_reader import LossReader
from caffelungo.solve.observer import Observer, Observers
from caffelungo.solve.snapshot import Snapshot
from caffelungo.solve.take_snapshot import take_snapshot
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.torch_seeds import seed_iteration
from caffelungo.solve.training import Training
from caffelungo.solve.training_setup import Setup


class Solver:
    """Moves ``training`` on: iterations, tests, snapshots. Its observers see all of it (see ``observer.Observer``)."""

    def __init__(self, training: Training, observers: Iterable[Observer] = ()) -> None:
        self.training = training
        self.stop_asked = Action.NONE
        """Whether something asked to end the run: STOP or TERMINATE."""
        self._snapshot_asked = False
        self._observers = Observers()
        self._losses = LossReader(training, self._observers, self._not_finite)
        self._display = Display(training, self._observers)
        self._iteration = Iteration(training, self._losses, self._display, self._stopped_inside)
        for one in observers:
            self.observe(one)

    def observe(self, observer: Observer) -> None:
        """Let ``observer`` see the run from now on, after those that see it already."""
        self._observers.all.append(observer)
        observer.on_attach(self)

    @property
    def iteration(self) -> int:
        """How many iterations are complete."""
        return self.training.iteration

    # -- iterations

    def step(self, count: int) -> None:
        """``count`` iterations, or fewer when an observer asks to stop (``stop_asked``)."""
        training, param = self.training, self.training.param
        stop = training.iteration + count
        if training.near_start:
            training.near_start.ready(self._observers.on_attention)
        feed = training.feed.batches(training.batches, training.batches + count * param.iter_size)
        self._display.start()
        if training.engine.caffe:
            training.smoothed = SmoothedLoss(param.average_loss, training.iteration)
        try:
            while training.iteration < stop:
                if self._test_due():
                    self.test_all()
                    if self.stop_asked is not Action.NONE:
                        break
                if not self._iteration.run(feed):
                    if self._snapshot_asked:
                        self.snapshot()
                    break
                self._observers.on_iteration(training.iteration)
                action = self._observers.poll()
                due = param.snapshot and training.iteration % param.snapshot == 0
                if due or self._snapshot_asked or action is Action.SNAPSHOT:
                    self.snapshot()
                if action in (Action.STOP, Action.TERMINATE):
                    self.stop_asked = action
                if self.stop_asked is not Action.NONE:
                    break
            self.look()
        finally:
            feed.close()

    def stop(self) -> None:
        """End the run as SIGINT does: after the present iteration or test."""
        self.stop_asked = Action.STOP

    def look(self) -> None:
        """Wait for the device and take in all losses so far; RunError where one is not finite."""
        self._losses.look()

    def extra_forward(self) -> None:
        """Caffe's last forward pass, for the loss after the last update; it takes one more batch."""
        training = self.training
        tensors = training.feed.one(training.batches)
        training.batches += 1
        training.batch_offset += 1
        seed_iteration(training.engine.device, training.seed, training.iteration, 0)
        with torch.no_grad(), training.engine.arithmetic():
            loss, _ = training.net(*tensors)
        assert loss is not None
        smoothed = training.smoothed.add(training.iteration, float(loss))
        training.log.info("solver.cpp:327", f"Iteration {training.iteration}, loss = {number(smoothed)}")

    def _stopped_inside(self) -> bool:
        """Whether something asks to stop between two sub-batches; a snapshot waits for the end of the iteration."""
        while (action := self._observers.poll()) is not Action.NONE:
            if action is not Action.SNAPSHOT:
                self.stop_asked = action
                return True
            if self._snapshot_asked:  # an observer that asks each time
                break
            self._snapshot_asked = True
        return False

    def _not_finite(self, entry: Seen) -> RunError:
        """The error for an iteration whose numbers are not finite: its batches are run again to name the culprit."""
        training = self.training
        first = training.first_batch(entry.iteration)
        batches = [training.feed.one(first + sub_batch) for sub_batch in range(training.param.iter_size)]
        if wrong := labels_outside.first(training.plan, training.store, batches):
            return self._wrong_label(entry.iteration, wrong)
        good = snapshot.listed(training.prefix)
        return nonfinite.explain(training, entry, batches, good[-1].state if good else None)

    def _wrong_label(self, iteration: int, what: str) -> labels_outside.LabelError:
        """The error for ``iteration``, after a snapshot from before it: updates stopped there."""
        training = self.training
        left = "nothing was trained before it"
        if iteration > 0:
            training.iteration, training.batches = iteration, training.first_batch(iteration)
            if training.written != iteration:
                self.snapshot()
            left = f"the snapshot of iteration {iteration} holds all training before it"
        return labels_outside.LabelError(f"iteration {iteration}: {what}", left)

    # -- tests

    def _test_due(self) -> bool:
        training, interval = self.training, self.training.param.test_interval
        return bool(
            training.tests and interval and training.iteration % interval == 0
            and (training.iteration > 0 or training.param.test_initialization)
        )  # fmt: skip

    def test_all(self) -> list[TestResult]:
        """Test every test net; fewer results when something interrupts."""
        self._losses.settle()
        training, watch = self.training, self.training.watch
        results = []
        for index, test in enumerate(training.tests):
            if test.iterations == 0:
                continue
            if self.stop_asked is not Action.NONE or (result := self.test(index)) is None:
                break
            results.append(result)
        if results and watch and watch.see(training.iteration, results[0]):
            assert watch.best is not None
            self._observers.on_best(training.iteration, watch.best)
        if results:
            self._observers.on_tests(training.iteration)
        return results

    def test(self, index: int = 0) -> TestResult | None:
        """Test one net and log it; None when something interrupted."""
        training = self.training
        training.log.info("solver.cpp:347", f"Iteration {training.iteration}, Testing net (#{index})")
        try:
            with training.shown():
                result = training.tests[index].run(self._interrupted, self._observers.on_test_batch)
        except labels_outside.LabelError as error:
            raise self._wrong_label(training.iteration, error.what) from error
        if result is None:
            training.log.info("solver.cpp:395", "Test interrupted.")
            return None
        log_test(training, result)
        self._observers.on_test(training.iteration, index, result)
        return result

    def _interrupted(self) -> bool:
        written = False
        while self.stop_asked is Action.NONE and (action := self._observers.poll()) is not Action.NONE:
            if action is not Action.SNAPSHOT:
                self.stop_asked = action
            elif written:  # an observer that asks each time
                break
            else:
                self.snapshot()
                written = True
        return self.stop_asked is not Action.NONE

    # -- snapshots

    def snapshot(self) -> Snapshot:
        """Write weights and state of now; RunError when they are not finite or cannot be written."""
        self._losses.settle()
        kept = take_snapshot(self.training)
        self._snapshot_asked = False
        self._observers.on_snapshot(kept)
        return kept

    def restore(self, path: str | Path) -> list[str]:
        """Go on from a solverstate, ours or the original's; returns what differs from the run that wrote it."""
        return resume_state.restore(self.training, Path(path))


def make_solver(
    definition: Definition,
    engine: Engine | None = None,
    setup: Setup | None = None,
    *,
    log: CaffeLog | None = None,
    observers: Iterable[Observer] = (),
) -> Solver:
    """The solver of a file at its start (see ``build_training`` and ``Setup``); UserError lists what is wrong."""
    return Solver(build_training(definition, engine, setup, log), observers)
