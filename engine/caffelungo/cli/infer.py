"""`lungo infer`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def infer(
    model: Annotated[str, typer.Argument(help="An ONNX file that `lungo export` or `convert` wrote.")],
    given: Annotated[list[str], typer.Argument(help="Pictures, folders, or lists (.txt, one path per line).")],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="Output file: .csv, .json, .npz (all outputs) or .png (a contact sheet)."),
    ] = None,
    device: o.Device = "auto",
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt (default: the provider of the device).")] = "",
    batch_size: Annotated[int, typer.Option(help="Batch size.")] = 16,
    threads: Annotated[int, typer.Option(help="CPU threads of the net; 0: one per core.")] = 0,
    decoders: Annotated[int, typer.Option(help="Threads that decode pictures; 0: one per core, up to four.")] = 0,
    top: Annotated[int, typer.Option(help="Number of classes per picture.")] = 5,
    head: Annotated[str | None, typer.Option(help="Task to output, if the file has several (default: all).")] = None,
    graphs: Annotated[bool, typer.Option("--graphs", help="Run each full batch as one CUDA graph.")] = False,
) -> VerbResult:
    """Run an exported net over many pictures. Classifiers give classes, other nets their raw outputs.

    Example: [bold]lungo infer model.onnx photos/ -o classes.csv[/]
    """
    from caffelungo.inference.infer import InferOptions, infer
    from caffelungo.inference.predictions import as_table

    wanted = InferOptions(model, given, output, device, provider, batch_size, threads, decoders, top, graphs, head=head)
    each = None if output else lambda prediction: typer.echo(as_table([prediction]))
    with o.progress("inferring") as progress:
        done = infer(wanted, progress=progress, each=each)
    typer.echo("\n".join(done.lines()), err=output is None)
    if output:
        typer.echo(f"wrote {output}")
    return VerbResult(
        {
            "pictures": done.count, "seconds": done.seconds, "warm_up": done.warm_up, "where": done.where,
            "classifier": done.classifier, "outputs": done.outputs, "listed": done.known,
            "first": done.right[0] if done.known else None, "within_top": done.right[1] if done.known else None,
            "top": done.top, "output": output,
        }
    )  # fmt: skip
