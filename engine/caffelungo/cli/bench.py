"""`lungo bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def bench(
    file: Annotated[str, typer.Argument(help="An ONNX file.")],
    model: Annotated[str | None, typer.Option(help="The net it was made of, to run in PyTorch as well.")] = None,
    weights: Annotated[str | None, typer.Option(help="That net's weights.")] = None,
    set_: o.Set = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Size of pictures, for a file that leaves it open.")
    ] = None,
    batch: Annotated[str, typer.Option(help="Batch sizes, separated by commas.")] = "1,8,64",
    rounds: Annotated[int, typer.Option(help="How often all sides take turns.")] = 11,
    seconds: Annotated[float, typer.Option(help="Length of a turn.")] = 0.3,
    minutes: Annotated[
        float, typer.Option(help="Longest time for all; where it is short, fewer rounds and sizes.")
    ] = 10,
    threads: Annotated[int, typer.Option(help="CPU threads of every side; 0: as many as cores.")] = 0,
    device: o.Device = "auto",
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt; default: that of the device.")] = "",
    graphs: Annotated[bool, typer.Option("--graphs", help="ONNX Runtime replays CUDA graphs.")] = False,
    compiled: Annotated[bool, typer.Option(help="Run torch.compile's net as well.")] = True,
    output: Annotated[str | None, typer.Option("-o", "--output", help="Write the table as .csv, too.")] = None,
) -> None:
    """Measure latency and pictures a second of an ONNX file by batch size, against the same net in PyTorch.

    Example: [bold]lungo bench model.onnx --model deploy.prototxt --weights x.caffemodel[/]
    """
    from caffelungo import files
    from caffelungo.deploy.bench import BenchOptions, bench

    batches = o.numbers(batch, "--batch", int)
    if output:
        files.refuse_obstacle(output)
    options = BenchOptions(
        file, model, weights, batches, rounds, seconds, threads, device, provider, graphs, compiled, minutes,
        o.height_width(size, "--size"), o.variables(set_),
    )  # fmt: skip
    typer.echo(f"batch sizes {', '.join(map(str, batches))}, in at most {minutes:g} minutes (--minutes)", err=True)
    with o.stages() as progress:
        done = bench(options, progress=progress)
    typer.echo(done.where)
    typer.echo("ratio: how many times as fast as that side ONNX Runtime is, and its quartiles over rounds")
    typer.echo(done.table())
    for note in done.notes:
        typer.echo(f"note: {note}")
    if output:
        files.write_text(output, done.csv())
        typer.echo(f"wrote {output}")
