"""`lungo init`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def init(
    net: Annotated[str, typer.Argument(help="The grown net: a prototxt, with its training data.")],
    weights: Annotated[
        str, typer.Option(help="Weights of the net before growth; layers missing in them are the new ones.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="Weight file to write.")],
    method: Annotated[
        str, typer.Option(help="gradmax, measured (factors of Normalize), lsuv, or auto (chosen per layer).")
    ] = "auto",
    data: Annotated[
        str | None, typer.Option(help="Pictures to use instead of the net's own: a list, or a folder of classes.")
    ] = None,
    batches: Annotated[int, typer.Option(help="Number of batches to use.")] = 8,
    scale: Annotated[float, typer.Option(help="With gradmax: size of new units relative to old ones.")] = 0.5,
    outgoing_zero: Annotated[
        bool,
        typer.Option(
            "--outgoing-zero", help="With gradmax: set the classifier's new weights to zero instead of the new units'."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Random seed for the data order and random weights.")] = 0,
    set_: o.Set = None,
    device: o.Device = "auto",
    gpu: o.Gpu = None,
    threads: o.Threads = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Initialise the new layers of a grown net from its data: GradMax, measured scales, unit variance.

    Example: [bold]lungo init wider.prototxt --weights wider.caffemodel -o start.caffemodel[/]
    """
    from caffelungo.solve.init.run_init import init
    from caffelungo.solve.options import InitOptions

    options = InitOptions(
        net=net, weights=o.words(weights), output=output, method=method, data=data, batches=batches, scale=scale,
        outgoing_zero=outgoing_zero, seed=seed, variables=o.variables(set_), device=device, gpu=gpu, threads=threads,
        level=level, stages=o.listed(stage), overwrite=overwrite,
    )  # fmt: skip
    with o.progress("batches") as progress:
        done = init(options, progress)
    for notice in done.notices:
        typer.echo(f"notice: {notice}", err=True)
    if not quiet:
        for line in done.lines:
            typer.echo(line)
        typer.echo(f"wrote {done.path}")
    return VerbResult({"path": done.path, "layers": done.lines, "notices": done.notices})
