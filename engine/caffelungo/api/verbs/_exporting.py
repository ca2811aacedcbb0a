"""What `export` and `convert` share: precision, the accuracy on lists, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo.api.verb_report import VerbReport


@dataclass(frozen=True, repr=False)
class ExportReport(VerbReport):
    """The file written. ``proof`` says how far its answers are from the net's, ``operators`` counts its nodes by type.

    ``measured``: what lower precision or a test on lists gave. ``labels``: the class names in the file (None: none).

    ``path``: the file (for Caffe: its prototxt).
    ``bytes``: its size.
    ``inputs``: the names of its inputs.
    ``outputs``: the names of its outputs.
    ``notes``: what was changed or decided, and why.
    """

    path: str
    bytes: int
    inputs: list[str]
    outputs: list[str]
    proof: list[str]
    operators: dict[str, int]
    labels: list[str] | None = None
    measured: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def written(
    make: Callable[..., Any], output: str, doing: str, precision: str, calibrate: Sequence[str], test: Sequence[str],
    device: str,
) -> ExportReport:  # fmt: skip
    """``make(path, progress=)`` writes float32; where another precision is wanted, that goes to ``output`` instead."""
    from caffelungo.report.progress_bar import working

    measured: list[str] = []
    with working(doing) as status:

        def whole(path: Path) -> Any:
            return make(path, progress=status.update)

        if precision != "fp32":
            from caffelungo.deploy.lower_precision import PrecisionOptions, lowered

            wanted = PrecisionOptions(precision, calibrate, test, device)
            done, found = lowered(whole, output, wanted, progress=status.update)
            measured = found.lines()
        elif test:
            from caffelungo.deploy.recorded_accuracy import with_accuracy

            done, inferred = with_accuracy(whole, output, test, device, progress=status.update)
            measured = inferred.lines()[-1:]
        else:
            done = whole(Path(output))
    return ExportReport(
        str(done.path), done.size, list(done.inputs), list(done.outputs), done.parity.lines(), dict(done.operators),
        done.metadata.labels, measured, list(done.notes),
    )  # fmt: skip
