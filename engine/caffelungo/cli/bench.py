"""`lungo bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def bench(
    file: Annotated[str, typer.Argument(help="An ONNX file.")],
    model: Annotated[
        str | None, typer.Option(help="The net the file was exported from, to time in PyTorch as well.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Weights of --model.")] = None,
    set_: o.Set = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Input size, for a file with open height and width.")
    ] = None,
    batch: Annotated[str, typer.Option(help="Batch sizes, separated by commas.")] = "1,8,64",
    rounds: Annotated[int, typer.Option(help="Number of rounds; each side runs once per round.")] = 11,
    seconds: Annotated[float, typer.Option(help="Seconds each side runs per round.")] = 0.3,
    minutes: Annotated[
        float, typer.Option(help="Time limit for the whole benchmark; if short, fewer rounds and batch sizes run.")
    ] = 10,
    threads: Annotated[int, typer.Option(help="CPU threads per side; 0: one per core.")] = 0,
    device: o.Device = "auto",
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt (default: the provider of the device).")] = "",
    graphs: Annotated[bool, typer.Option("--graphs", help="Let ONNX Runtime replay CUDA graphs.")] = False,
    compiled: Annotated[bool, typer.Option(help="Time the net under torch.compile as well.")] = True,
    output: Annotated[str | None, typer.Option("-o", "--output", help="Also write the table as CSV.")] = None,
) -> VerbResult:
    """Measure latency and images per second of an ONNX file by batch size, against the same net in PyTorch.

    Example: [bold]lungo bench model.onnx --model deploy.prototxt --weights x.caffemodel[/]
    """
    from caffelungo import files
    from caffelungo.deploy.bench import bench
    from caffelungo.deploy.bench_options import BenchOptions

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
    typer.echo("ratio: speed of ONNX Runtime over that side, with quartiles over rounds")
    typer.echo(done.table())
    for note in done.notes:
        typer.echo(f"note: {note}")
    if output:
        files.write_text(output, done.csv())
        typer.echo(f"wrote {output}")
    return VerbResult({"where": done.where, "rows": done.rows, "rounds": done.rounds, "notes": done.notes})
