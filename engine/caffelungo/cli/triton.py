"""`lungo triton`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def triton(
    model: Annotated[str, typer.Argument(help="An ONNX file of `lungo export` or `lungo convert`.")],
    repository: Annotated[str | None, typer.Argument(help="The model repository; made if it is missing.")] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="The same, as an option.")] = None,
    name: Annotated[str | None, typer.Option(help="The model's name there (default: the file's).")] = None,
    version: Annotated[int | None, typer.Option(help="Its version (default: the next).")] = None,
    max_batch: Annotated[int, typer.Option(help="Most pictures that Triton puts together.")] = 64,
    delay: Annotated[int, typer.Option(help="Microseconds it waits for more.")] = 2000,
    preferred: Annotated[str | None, typer.Option(metavar="SIZES", help="Batch sizes it prefers, as 8,16.")] = None,
    instances: Annotated[int, typer.Option(help="Copies of the model on each device.")] = 1,
    device: Annotated[str, typer.Option(help="Where they run: auto, cpu or gpu.")] = "auto",
    gpus: Annotated[str | None, typer.Option(metavar="NUMBERS", help="On these cards, as 0,1.")] = None,
    keep: Annotated[int, typer.Option(help="How many of the newest versions are served.")] = 1,
) -> None:
    """Put an exported net into a model repository of NVIDIA's Triton Inference Server.

    Example: [bold]lungo triton model.onnx repo --instances 2[/]
    """
    from caffelungo import shell
    from caffelungo.errors import UserError
    from caffelungo.inference.triton import TritonOptions, triton

    if (repository is None) == (output is None):
        raise UserError(
            "one model repository is written",
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
