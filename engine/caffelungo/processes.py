"""Which processes are alive, and how a child ends when its parent does, however the parent ends."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import signal
import sys
import threading
import time
from functools import cache
from pathlib import Path

POLL = 0.5
"""Seconds between two looks whether the parent is alive."""
_PR_SET_PDEATHSIG = 1


def started(pid: int) -> int:
    """When ``pid`` began, in the system's ticks since boot; 0 where it is gone or the system does not say.

    A number that is used again belongs to a process that began at another time.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return 0 if fields[0] in ("Z", "X") else int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def alive(pid: int, since: int) -> bool:
    """Whether the process ``pid`` of this machine that ``started`` at ``since`` still is there; True where unknown."""
    if Path("/proc/self/stat").exists():
        return since == 0 or started(pid) == since
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@cache
def machine() -> str:
    """Eight digits for this machine, or this container: process numbers mean the same where it is the same."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()}\n{space}".encode()).hexdigest()[:8]


def end_with(parent: int, by_system: bool = True) -> None:
    """Let this process end by SIGKILL as soon as ``parent``, its parent, is gone.

    ``by_system``: the system is asked to do it at once (Linux). It looks at the thread that made this process, so that
    must be one that lives as long as the parent, as the main thread does. Elsewhere, and besides, the parent is looked
    for twice a second.
    """
    if os.name != "posix":
        return
    if by_system and sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before the system was asked
        _end()
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL)
    _end()


def _end() -> None:
    """End this process and, where it leads a group, those that it started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
