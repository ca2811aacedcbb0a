"""`lungo infer`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def infer(
    model: Annotated[str, typer.Argument(help="An ONNX file that `lungo export` or `convert` wrote.")],
    given: Annotated[list[str], typer.Argument(help="Pictures, folders of them, or lists (.txt, a path a line).")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="Write .csv, .json, .npz (all numbers) or a .png sheet.")
    ] = None,
    device: o.Device = "auto",
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt; default: that of the device.")] = "",
    batch_size: Annotated[int, typer.Option(help="Pictures at a time.")] = 16,
    threads: Annotated[int, typer.Option(help="CPU threads of the net; 0: as many as cores.")] = 0,
    decoders: Annotated[int, typer.Option(help="Threads that read pictures; 0: one a core, up to four.")] = 0,
    top: Annotated[int, typer.Option(help="How many classes to give for each picture.")] = 5,
    head: Annotated[
        str | None, typer.Option(help="Of a file that answers for several tasks: the one to give (default: all).")
    ] = None,
    graphs: Annotated[bool, typer.Option("--graphs", help="Run full batches as one CUDA graph.")] = False,
) -> None:
    """Run an exported net over many pictures: classes for classifiers, all numbers for other nets.

    Example: [bold]lungo infer model.onnx photos/ -o classes.csv[/]
    """
    from caffelungo.inference.classify import table
    from caffelungo.inference.infer import InferOptions, infer

    wanted = InferOptions(model, given, output, device, provider, batch_size, threads, decoders, top, graphs, head=head)
    each = None if output else lambda prediction: typer.echo(table([prediction]))
    with o.progress("inferring") as progress:
        done = infer(wanted, progress=progress, each=each)
    typer.echo("\n".join(done.lines()), err=output is None)
    if output:
        typer.echo(f"wrote {output}")
