"""One rewritten net, trained for three iterations on made-up data and exported with proof. One cell of the table.

net text -> built -> 3 iterations at batch 2 (nets that only answer: run forward) -> frozen blobs compared -> ONNX
"""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from typing import Any

from caffelungo.errors import RunError

VERSION = 1
ITERATIONS = 3


def check(cell: Any, place: Any) -> dict[str, Any]:
    """Cell function. Fields: ``net`` (input id of a text without data files) and ``learn`` (train, else run forward).

    Values: the ``loss`` after the last iteration, the largest relative ``difference`` between PyTorch and ONNX
    Runtime, the blobs that float32 is too coarse for (``rounded``), CPU seconds of both stages. RunError that begins
    with the step that failed.
    """
    return outcome(place.inputs.path(cell.fields["net"]), bool(cell.fields["learn"]), place.folder)


def outcome(net: Path, learn: bool, folder: Path) -> dict[str, Any]:
    """As ``check``, for a file; ``folder`` takes what is written on the way."""
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    values: dict[str, Any] = {"step": "build"}
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from benchmarks.passes import running

            weights = running.trained(net, folder, ITERATIONS, values) if learn else running.forward(net, values)
            values["run_seconds"] = round(time.process_time() - started, 2)
            values["step"] = "export"
            running.exported(net, weights, folder, values)
    except Exception as error:  # every failure is a result of the table
        raise RunError(f"{values['step']}: {str(error).strip()[:600]} ({type(error).__name__})") from error
    values["seconds"] = round(time.process_time() - started, 2)
    del values["step"]
    return values
