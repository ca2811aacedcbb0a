"""Cells for tests of what runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from caffelungo.errors import UserError
from caffelungo.study.cells import JSON, Cell, CellPlace

VERSION = 3


def add(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """The sum of ``value`` and what the needs hold; each run leaves a line in the study's log."""
    with (place.study / "log.txt").open("a") as log:
        log.write(f"{cell.title}\n")
    time.sleep(cell.fields.get("sleep", 0))
    (place.folder / "left.txt").write_text(cell.title)
    total = cell.fields.get("value", 0) + sum(place.of(need).values["sum"] for need in cell.needs)
    return {"sum": total, "process": os.getpid()}


def say(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Says how far it is, in steps."""
    for step in range(cell.fields["steps"]):
        place.say(step, cell.fields["steps"], f"step {step}")
        time.sleep(0.25)
    return {}


def read(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """The text of an input."""
    return {"text": place.inputs.path(cell.fields["file"]).read_text()}


def fail(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Fails until a file is there, in one of several ways."""
    if (place.study / "mended").exists():
        return {"sum": 1}
    print("on the way")
    if cell.fields.get("how") == "user":
        raise UserError("too large", received="9", remedy="give 8")
    if cell.fields.get("how") == "exit":
        sys.exit("left early")
    raise ZeroDivisionError("no")


def die(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Ends its process."""
    if cell.fields["signal"]:
        os.kill(os.getpid(), cell.fields["signal"])
        signal.pause()
    os._exit(7)


def meet(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Ends when so many of its kind are at work at once."""
    (place.study / f"met{os.getpid()}").touch()
    for _ in range(400):
        if len(list(place.study.glob("met*"))) >= cell.fields["parties"]:
            return add(cell, place)
        time.sleep(0.05)
    raise TimeoutError("alone")


def orphan(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Ends its process while a child of it stays and holds all its files open."""
    if not os.fork():
        time.sleep(30)
    os._exit(7)


def nothing(cell: Cell, place: CellPlace) -> None:
    """No values at all."""


def bad(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Values that cannot be kept."""
    return {"fine": 1, "loss": float("nan")}


def noisy(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Prints, reads its standard input, and lets a child print."""
    print("from python")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    return {"input": sys.stdin.read(), "left": sorted(path.name for path in place.folder.iterdir())}


def numbers(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """NumPy's numbers, and the threads that torch would use."""
    import numpy as np

    return {"scalar": np.float32(0.5), "array": np.arange(3), "threads": os.environ["OMP_NUM_THREADS"]}


def torch(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Threads that torch uses."""
    import torch

    return {"threads": torch.get_num_threads()}


def stay(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Leaves a file, tells its process, and stays."""
    (place.folder / "half.txt").write_text("half")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(cell.fields["tell"]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)
    return {}
