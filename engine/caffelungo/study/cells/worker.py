"""A process that runs cells, one after another, as long as the runner that started it lives.

It reads one line of JSON for each cell and writes lines of JSON: ``ready``, how far it is, and how it ended. What a
cell prints goes to ``output.txt`` in the cell's folder.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from caffelungo import processes, threads
from caffelungo.errors import LungoError, UserError
from caffelungo.study.cells.cell import JSON, Cell, unpacked
from caffelungo.study.cells.place import CellPlace
from caffelungo.version import __version__

OUTPUT = "output.txt"
PAUSE = 0.2
"""Seconds between two reports of one cell's progress."""


def main() -> None:
    """Serve until the runner closes the pipe."""
    threads.settle()
    processes.end_with(os.getppid(), by_system=False)  # besides the pipe's end, which a child may hold open
    tasks, channel = _pipes()
    jobs: queue.SimpleQueue[dict[str, JSON]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks, jobs), daemon=True).start()
    faulthandler.enable()
    _send(channel, {"ready": True})
    while True:
        _send(channel, serve(jobs.get(), lambda message: _send(channel, message)))


def serve(job: dict[str, JSON], send: Callable[[dict[str, JSON]], None]) -> dict[str, JSON]:
    """Run the cell of ``job``; the message of how it ended."""
    folder = Path(job["folder"])
    start, cpu = time.monotonic(), time.process_time()
    with _Captured(folder / OUTPUT):
        try:
            values, error = run(unpacked(job["cell"]), _place(job, folder, send)), None
        except (Exception, SystemExit) as failure:
            values, error = "{}", _told(failure)
            traceback.print_exc()
    return {
        "values": values,
        "error": error,
        "seconds": time.monotonic() - start,
        "cpu_seconds": time.process_time() - cpu,
        "versions": _versions(),
    }


def _place(job: dict[str, JSON], folder: Path, send: Callable[[dict[str, JSON]], None]) -> CellPlace:
    return CellPlace(folder, Path(job["study"]), _Said(send), job.get("device", "cpu"))


def run(cell: Cell, place: CellPlace) -> str:
    """The values of ``cell`` as JSON text."""
    module, _, function = cell.kind.partition(":")
    values = getattr(importlib.import_module(module), function)(cell, place)
    if not isinstance(values, dict):
        raise TypeError(f"{cell.kind} returned {type(values).__name__}, not a dict")
    for name, value in values.items():
        try:
            json.dumps(value, allow_nan=False, default=_listed)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"the value {name!r} cannot be stored: {error}", received=repr(value)[:100], remedy="return finite JSON"
            ) from error
    return json.dumps(values, allow_nan=False, default=_listed)


def _listed(value: Any) -> JSON:
    """NumPy's arrays and scalars as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _told(failure: BaseException) -> str:
    if isinstance(failure, LungoError):
        return str(failure)
    return f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__


def _versions() -> dict[str, str]:
    found = {"caffelungo": __version__, "python": platform.python_version()}
    return found | {name: str(sys.modules[name].__version__) for name in ("numpy", "torch") if name in sys.modules}


class _Said:
    """``CellPlace.say``: sends what a cell says, not too often; the last word always."""

    def __init__(self, send: Callable[[dict[str, JSON]], None]) -> None:
        self.send, self.last = send, 0.0

    def __call__(self, done: float, total: float, text: str) -> None:
        now = time.monotonic()
        if now - self.last > PAUSE or done >= total:
            self.last = now
            self.send({"say": [float(done), float(total), str(text)]})


class _Captured:
    """While entered, what this process and its children print goes to ``path``; an empty file is removed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.before = os.dup(2)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        _flush()
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.close(handle)

    def __exit__(self, *_: object) -> None:
        _flush()
        os.dup2(self.before, 1)
        os.dup2(self.before, 2)
        os.close(self.before)
        if self.path.is_file() and self.path.stat().st_size == 0:
            self.path.unlink()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _pipes() -> tuple[TextIO, TextIO]:
    """The two ends towards the runner, moved away from where a cell or its children would read and print."""
    tasks = os.fdopen(os.dup(0), encoding="utf-8")
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return tasks, channel


def _listen(tasks: TextIO, jobs: queue.SimpleQueue[dict[str, JSON]]) -> None:
    with contextlib.suppress(ValueError):  # a runner that is killed may leave half a line
        for line in tasks:
            jobs.put(json.loads(line))
    # The runner is gone: nobody would take the result, and the cell may be run elsewhere by now.
    if os.name == "posix" and os.getpid() == os.getpgrp():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _send(channel: TextIO, message: dict[str, JSON]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


if __name__ == "__main__":
    main()
