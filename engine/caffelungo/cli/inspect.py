"""`lungo inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def inspect(
    model: Annotated[str, typer.Option(help="The net, with its test data.")],
    weights: Annotated[str, typer.Option(help="Its weights after training.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write.")],
    before: Annotated[
        str | None, typer.Option(help="The weights that training began with (default: as the run's record says).")
    ] = None,
    before_model: Annotated[str | None, typer.Option(help="Their net, where it is another one.")] = None,
    snapshots: Annotated[
        str | None,
        typer.Option(help="Prefix or folder of the run's snapshots (default: those beside the weights)."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Look at this list or folder of classes instead of the net's own.")
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER:N,N", help="Units to show, counted from 0 (default: chosen); may be repeated."),
    ] = None,
    per_class: Annotated[int | None, typer.Option(help="Pictures of each class to look at (default: all).")] = None,
    seed: Annotated[int, typer.Option(help="Of the map of features.")] = 0,
    size: o.Size = None,
    head: Annotated[
        str | None, typer.Option(help="Of several classifiers: the one to look at, by its layer or its task.")
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
) -> None:
    """See what fine-tuning did: old and new units, layers, what units answer to, hard pictures; on one page.

    Example: [bold]lungo inspect --model mine/grown.prototxt --weights mine/grown_iter_300.caffemodel -o report/[/]
    """
    from caffelungo.report.terminal import Terminal
    from caffelungo.study.inspect.options import InspectOptions
    from caffelungo.study.inspect.run import inspect as run

    wanted = InspectOptions(
        model=model, weights=o.words(weights), before=before, before_model=before_model, snapshots=snapshots, data=data,
        out=output, units=units or [], per_class=per_class, seed=seed, size=o.size(size),
        variables=o.variables(set_), device=device, gpu=gpu, precision=precision, threads=threads, workers=workers,
        level=level, stages=o.listed(stage), head=head, quiet=quiet,
    )  # fmt: skip
    console = Terminal(stderr=True, soft_wrap=True)
    with o.stages(quiet) as progress:
        page = run(wanted, console, progress)
    if not quiet:
        typer.echo(f"wrote {page}: open it in a browser; its numbers stand beside it")
