"""`lungo demo`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verb_report import DataTable, VerbReport


@dataclass(frozen=True, repr=False)
class DemoReport(VerbReport):
    """The four ways, a row each, the letter of the ``chosen`` one, and the files: curves, answers and the ONNX file.

    ``folder``: the folder that was written.
    ``arms``: a row per way, with its accuracy.
    ``files``: the files that were written.
    """

    folder: str
    arms: DataTable
    chosen: str
    files: list[str]


def demo(output: Name = "demo", *, overwrite: bool = False) -> DemoReport:
    """Take an ImageNet SqueezeNet to ten animals: probe, fine-tune, grow, compare, export, use (3 minutes).

    Each step is a command of the command line, which is printed with what it prints, so that it can be repeated.

    UserError when the folder exists and ``overwrite`` is False, or holds other files; RunError when a command fails.

    >>> cl.demo("photos")
    Traceback (most recent call last):
    ...
    caffelungo.errors.UserError: photos: the folder holds files that no demo wrote, or that were changed since
      received: blue/0.png, blue/1.png, blue/2.png, blue/3.png, blue/4.png and 10 more
      to do: name another folder with -o
    """
    from caffelungo.study.demo.demo import demo as run

    folder = Path(values.path(output) or "demo")
    run(str(folder), overwrite, _command)
    found = json.loads((folder / "results.json").read_text("utf-8"))
    rows = DataTable(
        {name: one for name, one in arm.items() if not isinstance(one, dict | list)} for arm in found["arms"]
    )
    return DemoReport(str(folder), rows, found["chosen"], sorted(str(one) for one in folder.iterdir() if one.is_file()))


def _command(words: Sequence[str]) -> int:
    """Run one command line in a separate process, print what it prints, and return its exit status."""
    command = [sys.executable, "-m", "caffelungo", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="")
    return process.returncode
