"""A worker process as its runner sees it: started with its number of threads, given cells, heard, ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

from caffelungo.study.cells.cell import JSON, Cell, packed

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What libraries read once, when they are loaded; so it is settled before the process starts."""

LAST_WORDS = 0.5
"""Seconds to wait for what a dead worker has said."""

Message = dict[str, JSON]


class Hand:
    """One worker process. What it says comes into ``heard`` as (hand, message); None as message when it is gone."""

    def __init__(self, threads: int, heard: queue.Queue[tuple[Hand, Message | None]]) -> None:
        environment = os.environ | dict.fromkeys(THREADS, str(threads))
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
        # -P: the working folder may hold a queue.py of the user's. A separate session: Ctrl-C reaches the runner
        # alone, and the worker's own children end with it.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "caffelungo.study.cells.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        self.ready = False
        self._heard = heard
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def give(self, cell: Cell, folder: Path, study: Path, device: str = "cpu") -> None:
        """Let it run ``cell`` in ``folder``, its nets on ``device``."""
        assert self.process.stdin is not None
        job = {"cell": packed(cell), "folder": str(folder), "study": str(study), "device": device}
        with contextlib.suppress(BrokenPipeError):  # it died; that is heard, too
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Kill it, whatever it does, and its children."""
        if sys.platform == "win32":
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._listener.join(LAST_WORDS)
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()

    def death(self) -> str:
        """How it died."""
        status = self.process.wait()
        if status >= 0:
            return f"the process that ran it ended with status {status}"
        hint = "; the system does this when memory runs out" if -status == getattr(signal, "SIGKILL", 9) else ""
        return f"the process that ran it was killed by {signal.Signals(-status).name}{hint}"

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout, contextlib.suppress(ValueError):  # killed within a line
            for line in self.process.stdout:
                self._heard.put((self, json.loads(line)))

    def _watch(self) -> None:
        """A dead worker's pipe may stay open in its child, so that its end alone would not tell."""
        self.process.wait()
        self._listener.join(LAST_WORDS)
        self._heard.put((self, None))
