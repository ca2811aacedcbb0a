"""What can watch a training, and end it: the interface of callbacks, signals, logs and snapshot keepers. No torch.

class Printer(Observer):
    def on_loss(self, iteration, loss):
        print(iteration, loss)

solver.observe(Printer())                       # in Python
run.train(options, callbacks=[Printer()])       # as `lungo train` does it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from caffelungo.errors import UserError
from caffelungo.solve.action import Action
from caffelungo.solve.snapshot import Snapshot
from caffelungo.solve.test_result import TestResult

if TYPE_CHECKING:
    from caffelungo.solve.training import Training


class ObservedRun(Protocol):
    """The run that an observer belongs to: where it is (to be read only), and what may be asked of it."""

    @property
    def training(self) -> Training:
        """The nets, the weights and the position."""

    def stop(self) -> None:
        """End the run as SIGINT does: after the present iteration or test, with the usual last snapshot."""


class Observer:
    """Base of observers: every method does nothing, so that one overrides only what it wants to see.

    Observers are called in the order in which they were added. An exception that a method raises ends the run.
    """

    def on_attach(self, run: ObservedRun) -> None:
        """The observer was added to ``run``. A run that starts again with smaller batches attaches it again."""

    def on_iteration(self, iteration: int) -> None:
        """``iteration`` iterations are complete."""

    def on_loss(self, iteration: int, loss: float) -> None:
        """The loss of ``iteration``, every one in order; late by up to a display interval, as the device is."""

    def on_display(self, iteration: int, loss: float, rate: float, outputs: Mapping[str, float]) -> None:
        """A displayed iteration: its smoothed loss, its learning rate, the scalar outputs of the train net."""

    def on_test_batch(self, done: int, count: int) -> None:
        """``done`` of ``count`` batches of a test are complete."""

    def on_test(self, iteration: int, net: int, result: TestResult) -> None:
        """Test net number ``net`` was tested at ``iteration``."""

    def on_best(self, iteration: int, value: float) -> None:
        """The watched output of the first test net has never been as good: it is ``value``."""

    def on_tests(self, iteration: int) -> None:
        """The tests of ``iteration`` are complete; after ``on_test`` and ``on_best``."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """A snapshot was written."""

    def on_attention(self, done: int, count: int) -> None:
        """``done`` of ``count`` channels are measured for DELTA's attention, before the first iteration."""

    def poll(self) -> Action | bool | None:
        """What the run should do next: True ends it, as ``Action.STOP`` does; None or False goes on.

        Asked after each iteration, before each test batch and between sub-batches.
        """
        return Action.NONE


class Observers(Observer):
    """Several observers as one."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.all = list(observers)

    def on_attach(self, run: ObservedRun) -> None:
        for one in self.all:
            one.on_attach(run)

    def on_iteration(self, iteration: int) -> None:
        for one in self.all:
            one.on_iteration(iteration)

    def on_loss(self, iteration: int, loss: float) -> None:
        for one in self.all:
            one.on_loss(iteration, loss)

    def on_display(self, iteration: int, loss: float, rate: float, outputs: Mapping[str, float]) -> None:
        for one in self.all:
            one.on_display(iteration, loss, rate, outputs)

    def on_test_batch(self, done: int, count: int) -> None:
        for one in self.all:
            one.on_test_batch(done, count)

    def on_test(self, iteration: int, net: int, result: TestResult) -> None:
        for one in self.all:
            one.on_test(iteration, net, result)

    def on_best(self, iteration: int, value: float) -> None:
        for one in self.all:
            one.on_best(iteration, value)

    def on_tests(self, iteration: int) -> None:
        for one in self.all:
            one.on_tests(iteration)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        for one in self.all:
            one.on_snapshot(snapshot)

    def on_attention(self, done: int, count: int) -> None:
        for one in self.all:
            one.on_attention(done, count)

    def poll(self) -> Action:
        """The first action that one of them asks for; UserError for what is none."""
        for one in self.all:
            if (action := _action(one, one.poll())) is not Action.NONE:
                return action
        return Action.NONE


def _action(observer: Observer, answer: object) -> Action:
    if answer is None or answer is False:
        return Action.NONE
    if answer is True:
        return Action.STOP
    if isinstance(answer, Action):
        return answer
    raise UserError(
        f"the `poll` of {type(observer).__name__} answers what a training cannot do",
        received=repr(answer),
        remedy="return True to end the training, None to go on",
    )
