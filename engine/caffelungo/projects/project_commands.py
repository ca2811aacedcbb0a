"""The commands that a project of `lungo finetune` goes on with, as printed lines and as run.sh. No torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from caffelungo.rewriting import folder_texts

ONNX = "model.onnx"
"""What every exported file of a project is called."""
BEST = "solver_best.caffemodel"
"""The weights that training keeps as the best."""

Command = tuple[list[str], str]
"""Its words, and what it is for."""
At = Callable[[str], str]
"""How a file of the folder is named: by itself, or with the folder."""
Steps = Callable[[At], list[Command]]


def trained(at: At, weights: str, tested: str) -> list[Command]:
    """Check, train and test; ``weights`` are those that are tested, ``tested`` says what the test gives."""
    solver, net = at("solver.prototxt"), at("train_val.prototxt")
    return [
        (["lungo", "check", solver], "check all files"),
        (["lungo", "train", "--solver", solver], "train; Ctrl-C stops with a snapshot"),
        (["lungo", "test", "--model", net, "--weights", at(weights)], tested),
    ]


def exported(at: At, holds: str, net: str = "train_val.prototxt", weights: str = BEST) -> Command:
    """The export; ``holds`` says what is in the file."""
    return ["lungo", "export", "--model", at(net), "--weights", at(weights), "-o", at(ONNX)], holds


def commands(out: Path, steps: Steps, use: list[str], what: str) -> list[tuple[str, str]]:
    """What to run next, from where the folder ``out`` was made, quoted for a shell; ``use`` is called with the file."""
    last = (["lungo", use[0], str(out / ONNX), *use[1:]], what)
    return folder_texts.quoted([*steps(lambda name: str(out / name)), last])


def script(steps: Steps) -> str:
    """run.sh: ``steps`` from the folder itself, wherever it is called from."""
    line = "Trains, tests and exports what `lungo finetune` prepared; `sh run.sh` from anywhere."
    return folder_texts.script(line, steps(lambda name: name))
