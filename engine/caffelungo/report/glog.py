"""Log lines as the original Caffe writes them, so that its users' parse_log.py and plots read ours."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from caffelungo.visible import on_one_line, visible


def number(value: float) -> str:
    """``value`` as C++ streams print a float: six significant digits."""
    return f"{value:.6g}"


def prefix(source: str, severity: str = "I") -> str:
    """``I1121 17:17:22.001370 28618 solver.cpp:239]`` for now; ``source`` is the file and line Caffe logs from."""
    now = datetime.datetime.now().strftime("%m%d %H:%M:%S.%f")
    return f"{severity}{now} {threading.get_native_id():5d} {source}]"


def output_line(phase: str, index: int, blob: str, value: float, weight: float) -> str:
    """``    Test net output #0: loss = 1.5 (* 1 = 1.5 loss)``; ``phase`` is "Train" or "Test"."""
    line = f"    {phase} net output #{index}: {blob} = {number(value)}"
    return f"{line} (* {number(weight)} = {number(weight * value)} loss)" if weight else line


class CaffeLog:
    """Caffe's log: every line goes to the file (once there is one) and to ``echo``.

    Lines logged before ``open`` are kept and written first. When the file cannot be written any more (a full disk),
    ``failed`` holds the error and the rest goes to ``echo`` alone: a training does not end for its log.
    """

    def __init__(self, echo: Callable[[str], None] | None = None) -> None:
        self.echo = echo
        self._file: TextIO | None = None
        self._early: list[str] = []
        self.failed: OSError | None = None

    def open(self, path: Path) -> None:
        """Write to ``path`` from now on (appending, so that a resumed run's log goes on)."""
        self._file = path.open("a", encoding="utf-8", buffering=1)
        for line in self._early:
            self._file.write(line)
        self._early.clear()

    def info(self, source: str, message: str, severity: str = "I", below: str = "") -> None:
        """Log ``message`` as from Caffe's ``source`` ("solver.cpp:239"); ``below`` is a printed message under it.

        A line end in ``message``, which may hold names, is escaped: only this function begins a line of the log.
        """
        line = f"{prefix(source, severity)} {on_one_line(message)}\n{visible(below)}"
        if self._file:
            self._write(line)
        elif self.failed is None:
            self._early.append(line)
        if self.echo:
            self.echo(line.rstrip("\n"))

    def _write(self, line: str) -> None:
        assert self._file is not None
        try:
            self._file.write(line)
        except OSError as error:
            self.failed = error
            self.close()

    def close(self) -> None:
        """Close the file; logging goes on to ``echo`` alone."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def __enter__(self) -> CaffeLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
