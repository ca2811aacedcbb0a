"""`lungo triton`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def triton(
    model: Annotated[str, typer.Argument(help="An ONNX file of `lungo export` or `lungo convert`.")],
    repository: Annotated[str | None, typer.Argument(help="The model repository; created if missing.")] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="The model repository, as an option.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model (default: the file's).")] = None,
    version: Annotated[int | None, typer.Option(help="Version of the model (default: the next).")] = None,
    max_batch: Annotated[int, typer.Option(help="Maximum batch size.")] = 64,
    delay: Annotated[
        int, typer.Option(help="Maximum time a request waits for its batch to fill, in microseconds.")
    ] = 2000,
    preferred: Annotated[
        str | None, typer.Option(metavar="SIZES", help="Preferred batch sizes, for example 8,16.")
    ] = None,
    instances: Annotated[int, typer.Option(help="Instances of the model per device.")] = 1,
    device: Annotated[str, typer.Option(help="Device of the instances: auto, cpu or gpu.")] = "auto",
    gpus: Annotated[str | None, typer.Option(metavar="NUMBERS", help="GPUs to use, for example 0,1.")] = None,
    keep: Annotated[int, typer.Option(help="Number of versions to serve, newest first.")] = 1,
) -> VerbResult:
    """Add an exported net to a model repository of NVIDIA's Triton Inference Server.

    Example: [bold]lungo triton model.onnx repo --instances 2[/]
    """
    from caffelungo import shell
    from caffelungo.errors import UserError
    from caffelungo.inference.triton import TritonOptions, triton

    if (repository is None) == (output is None):
        raise UserError(
            "name one model repository",
            received="none" if output is None else f"{repository} and -o {output}",
            remedy=shell.command("lungo", "triton", model, "-o", output or "repo"),
        )
    place = str(repository or output)
    options = TritonOptions(
        name=name, version=version, max_batch=max_batch, delay=delay,
        preferred=o.numbers(preferred, "--preferred", int), instances=instances, device=device,
        gpus=o.numbers(gpus, "--gpus", int), keep=keep,
    )  # fmt: skip
    placed = triton(model, place, options)
    for note in placed.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"wrote {placed.folder}: version {placed.version}")
    typer.echo(f"to serve it: {shell.command('tritonserver', '--model-repository', place)}")
    return VerbResult({"folder": placed.folder, "version": placed.version, "config": placed.config,
                       "notes": placed.notes})  # fmt: skip
