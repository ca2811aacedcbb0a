"""Commands in forked children of this process, so that PyTorch is imported once."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path


def warm() -> None:
    """Import what the verbs need, with one thread, before anything is forked."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    import h5py  # noqa: F401
    import onnxruntime  # noqa: F401
    import torch

    import caffelungo.cli.main
    import caffelungo.inference.classify
    import caffelungo.solve.run_training  # noqa: F401

    torch.set_num_threads(1)


def lungo(words: Sequence[str]) -> tuple[int | None, str]:
    """Run one command line in this process: exit status and what it wrote; None and the traceback where it raised."""
    from caffelungo.cli.main import run

    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            run(list(words))
    except SystemExit as exit_:
        return (exit_.code if isinstance(exit_.code, int) else 0), out.getvalue()
    except BaseException:
        return None, out.getvalue() + traceback.format_exc()
    return 0, out.getvalue()


def fork(work: Callable[[], int], log: Path | None = None) -> int:
    """Run ``work``, which gives an exit status, in a child; the child's process id. ``log`` takes what it writes."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(target, 1)
        os.dup2(target, 2)
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def wait(child: int, seconds: float) -> int | None:
    """The child's exit status, negative for a signal; None when it still runs after ``seconds``."""
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


def verb(words: Sequence[str], folder: Path) -> Callable[[], int]:
    """Work for ``fork``: the command in ``folder``, in Caffe's or our spelling."""

    def work() -> int:
        os.chdir(folder)
        status, text = lungo(words)
        os.write(1, text.encode("utf-8", "backslashreplace"))
        return 70 if status is None else status

    return work
