"""`lungo time`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import completion
from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def time(
    model: Annotated[str, typer.Option(help="The net.")],
    weights: Annotated[str, typer.Option(help="Its weights (optional; speed hardly depends on them).")] = "",
    iterations: Annotated[int, typer.Option(help="Number of passes to average over.")] = 50,
    phase: Annotated[str, typer.Option(autocompletion=completion.phases, help="Phase: TRAIN or TEST.")] = "TRAIN",
    size: o.Size = None,
    set_: o.Set = None,
    device: o.Device = "auto",
    gpu: o.Gpu = None,
    precision: o.Precision = "fp32",
    threads: o.Threads = None,
    level: o.Level = 0,
    stage: o.Stage = None,
) -> VerbResult:
    """Time the forward and backward pass of a net, layer by layer.

    Example: [bold]lungo time --model deploy.prototxt[/]
    """
    from caffelungo.report.glog import CaffeLog
    from caffelungo.solve import timing
    from caffelungo.solve.options import TimeOptions

    found = timing.measure(
        TimeOptions(
            model=model, weights=o.words(weights), iterations=iterations, phase=phase, size=o.size(size),
            variables=o.variables(set_),
            device=device, gpu=gpu, precision=precision, threads=threads, level=level, stages=o.listed(stage),
        ),
        CaffeLog(echo=lambda line: typer.echo(line, err=True)),
    )  # fmt: skip
    return VerbResult(
        {
            "iterations": iterations, "forward_ms": found.forward, "backward_ms": found.backward,
            "total_ms": found.whole, "layers": [
                {"name": name, "forward_ms": forward, "backward_ms": backward}
                for name, (forward, backward) in found.layers.items()
            ],
        }
    )  # fmt: skip
