"""What SIGINT, SIGHUP and SIGTERM do to a training run.

Caffe: SignalHandler. Handlers only set flags; the loop asks for them after every iteration, before every test iteration
and, for a stop, between the sub-batches of an iteration.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from caffelungo.errors import UserError, did_you_mean
from caffelungo.solve.action import Action
from caffelungo.solve.observer import Observer


def effect(name: str, flag: str) -> Action:
    """The action called ``name``; UserError about ``flag`` when there is none."""
    known = {action.value: action for action in (Action.STOP, Action.SNAPSHOT, Action.NONE)}
    if name not in known:
        near = did_you_mean(name, known)
        raise UserError(
            "unknown signal effect",
            received=f"{flag} {name}",
            remedy=f"did you mean {near}?" if near else "use one of: stop, snapshot, none",
        )
    return known[name]


class Signals(Observer):
    """Catches signals while entered; ``poll`` gives and forgets what was asked, SIGHUP before SIGINT as in Caffe.

    A second SIGINT while a stop is under way interrupts at once (KeyboardInterrupt).
    """

    def __init__(
        self,
        sigint: Action = Action.STOP,
        sighup: Action = Action.SNAPSHOT,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.effects = {"SIGHUP": sighup, "SIGINT": sigint, "SIGTERM": Action.TERMINATE}
        self.say = say
        self._asked: dict[str, bool] = {}
        self._stopping = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for name in self.effects:
                if number := getattr(signal, name, None):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if name == "SIGINT" and self._stopping:
            raise KeyboardInterrupt
        self._asked[name] = True
        self._stopping = name == "SIGINT" and self.effects[name] is Action.STOP
        if self._stopping and self.say:
            self.say("stopping; press Ctrl-C again to stop at once, without a snapshot")

    def poll(self) -> Action:
        """The next action asked for, or NONE."""
        for name, action in self.effects.items():
            if self._asked.pop(name, False) and action is not Action.NONE:
                return action
        return Action.NONE
