"""`lungo classify`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli.verb_result import VerbResult


def classify(
    model: Annotated[str, typer.Argument(help="An ONNX file that `lungo export` wrote.")],
    pictures: Annotated[list[str], typer.Argument(help="Pictures, or folders of them.")],
    top: Annotated[int, typer.Option(help="Number of classes to show per picture.")] = 5,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda. With cuda, a fallback to the CPU is an error.")
    ] = "auto",
    head: Annotated[str | None, typer.Option(help="Task to show, if the file has several (default: all).")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="Write the results to a .csv, .json or .png file.")
    ] = None,
) -> VerbResult:
    """Classify pictures. Labels and preprocessing are read from the file.

    Example: [bold]lungo classify model.onnx photo.jpg[/]
    """
    from caffelungo.errors import Problem
    from caffelungo.inference import classify_files
    from caffelungo.inference.predictions import as_fields, as_table

    failed: list[Problem] = []
    found = classify_files.classify_files(
        classify_files.ClassifyOptions(model, pictures, top, device, output, head=head), failed
    )
    typer.echo(f"wrote {output}" if output else as_table(found))
    fields = {"pictures": [as_fields(one) for one in found], "output": output}
    if not failed:
        return VerbResult(fields)
    error = classify_files.incomplete(failed)
    typer.echo(str(error), err=True)
    return VerbResult(fields, error.exit_status, failed)
