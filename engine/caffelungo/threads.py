"""Sets the number of threads and how long idle ones spin; the latter before PyTorch is imported.

GNU's OpenMP spins for some milliseconds by default. With another busy process on the machine (a browser, a worker that
decodes pictures) that made training 9 to 20 times slower on two cores; a short spin makes it about twice slower
there, as it must be, and costs about 2 % on an idle machine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

SPINS = "5000"
STEP_BACK = 10
"""The niceness of threads that compute while another one answers."""


def settle() -> None:
    """Set GOMP_SPINCOUNT for this process and its children, unless the user chose a policy or it is too late."""
    if "torch" not in sys.modules and not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        os.environ["GOMP_SPINCOUNT"] = SPINS


def physical_cores() -> int:
    """How many cores this process may use, without second threads of one core, by which arithmetic gains nothing."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    try:
        topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
        return len({Path(topology.format(cpu)).read_text("ascii") for cpu in allowed})
    except OSError:
        return len(allowed)


def step_back() -> None:
    """Let the other threads of this process come first: the calling one, and those it starts, get a lower priority.

    Linux alone has a priority per thread; elsewhere nothing changes.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), STEP_BACK)
