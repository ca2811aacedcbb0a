"""`lungo classify`."""

from __future__ import annotations

from typing import Annotated

import typer


def classify(
    model: Annotated[str, typer.Argument(help="An ONNX file that `lungo export` wrote.")],
    pictures: Annotated[list[str], typer.Argument(help="Pictures, or folders of them.")],
    top: Annotated[int, typer.Option(help="How many classes to show for each picture.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda; cuda never falls back to the CPU silently.")] = "auto",
    head: Annotated[
        str | None, typer.Option(help="Of a file that answers for several tasks: the one to show (default: all).")
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="Write the answers as .csv or .json, or draw them as .png.")
    ] = None,
) -> None:
    """Classify pictures. Needs no flags: labels and preprocessing are in the file.

    Example: [bold]lungo classify model.onnx photo.jpg[/]
    """
    from caffelungo.errors import Problem
    from caffelungo.inference import classify_files
    from caffelungo.inference.classify import table

    failed: list[Problem] = []
    found = classify_files.classify_files(
        classify_files.ClassifyOptions(model, pictures, top, device, output, head=head), failed
    )
    typer.echo(f"wrote {output}" if output else table(found))
    if failed:
        raise classify_files.incomplete(failed)
