"""Trains in forked children, so that a test can kill many runs without loading torch for each.

Reads lines of JSON from standard input: {"folder", "losses", "workers", "resume", "slow"}; forks a child that trains
there and answers with its process id. Not a test: started by test_kill.py.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def train(job: dict) -> int:
    from caffelungo.errors import LungoError
    from caffelungo.solve import run_training
    from caffelungo.solve.observer import Observer
    from caffelungo.solve.options import TrainOptions

    os.chdir(job["folder"])
    losses = Path(job["losses"]).open("a", buffering=1)  # noqa: SIM115

    class Recording(Observer):
        def on_loss(self, iteration: int, loss: float) -> None:
            losses.write(f"{iteration} {float(loss).hex()}\n")

    if job["slow"]:
        for name in ("fsync", "replace"):
            slow_down(name, job["slow"])
    options = TrainOptions(
        solver="solver.prototxt", resume=job["resume"], workers=job["workers"], threads=1, quiet=True, device="cpu"
    )
    try:
        return run_training.train(options, [Recording()])
    except LungoError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_status


def slow_down(name: str, seconds: float) -> None:
    original = getattr(os, name)

    def slow(*arguments, **keywords):
        time.sleep(seconds)
        return original(*arguments, **keywords)

    setattr(os, name, slow)


def main() -> None:
    import torch  # noqa: F401

    from caffelungo.solve import run_training  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = train(job)
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
