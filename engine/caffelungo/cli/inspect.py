"""`lungo inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def inspect(
    model: Annotated[str, typer.Option(help="The net, with its test data.")],
    weights: Annotated[str, typer.Option(help="Its weights after training.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write.")],
    before: Annotated[
        str | None, typer.Option(help="Weights before training (default: as recorded by the run).")
    ] = None,
    before_model: Annotated[str | None, typer.Option(help="The net of --before, if it differs.")] = None,
    snapshots: Annotated[
        str | None,
        typer.Option(help="Prefix or folder of the run's snapshots (default: next to --weights)."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Pictures to use instead of the net's own: a list, or a folder of classes.")
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:N,N", help="Units to show, counted from 0 (default: chosen automatically); repeatable."
        ),
    ] = None,
    per_class: Annotated[int | None, typer.Option(help="Pictures to use per class (default: all).")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the feature map.")] = 0,
    size: o.Size = None,
    head: Annotated[
        str | None, typer.Option(help="Classifier to inspect, if the net has several: its layer or its task.")
    ] = None,
    set_: o.Set = None,
    device: o.Device = "auto",
    gpu: o.Gpu = None,
    precision: o.Precision = "fp32",
    threads: o.Threads = None,
    workers: o.Workers = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Report what fine-tuning did, on one HTML page: old and new units, layers, preferred pictures, errors.

    Example: [bold]lungo inspect --model mine/grown.prototxt --weights mine/grown_iter_300.caffemodel -o report/[/]
    """
    from caffelungo.report.terminal import Terminal
    from caffelungo.study.inspect import writing
    from caffelungo.study.inspect.options import InspectOptions
    from caffelungo.study.inspect.run_inspect import find

    wanted = InspectOptions(
        model=model, weights=o.words(weights), before=before, before_model=before_model, snapshots=snapshots, data=data,
        out=output, units=units or [], per_class=per_class, seed=seed, size=o.size(size),
        variables=o.variables(set_), device=device, gpu=gpu, precision=precision, threads=threads, workers=workers,
        level=level, stages=o.listed(stage), head=head, quiet=quiet,
    )  # fmt: skip
    console = Terminal(stderr=True, soft_wrap=True)
    with o.stages(quiet) as progress:
        found, samples = find(wanted, console, progress)
        page = writing.write(found, samples, wanted)
    if not quiet:
        typer.echo(f"wrote {page}: open it in a browser; the numbers are in files next to it")
    return VerbResult({"page": page, **writing.summary(found, wanted)})
