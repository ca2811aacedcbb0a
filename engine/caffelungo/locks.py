"""A lock that one process holds and that the system takes back when the process dies, however it dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def take(path: Path) -> int | None:
    """Hold the lock file ``path`` (made if missing, never removed); what ``release`` takes, or None: held elsewhere."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def release(handle: int) -> None:
    """Give back what ``take`` gave."""
    os.close(handle)
