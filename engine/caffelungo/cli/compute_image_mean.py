"""`lungo compute_image_mean`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def compute_image_mean(
    database: Annotated[str, typer.Argument(metavar="INPUT_DB", help="An LMDB database of pictures of one size.")],
    output: Annotated[
        str | None, typer.Argument(metavar="[OUTPUT_FILE]", help="The .binaryproto file to write.")
    ] = None,
    backend: Annotated[str, typer.Option(help="Database format; only lmdb.")] = "lmdb",
) -> VerbResult:
    """Compute the mean image of a database and its mean per channel (Caffe's tool)."""
    from caffelungo.data.compute_image_mean import compute_image_mean

    with o.progress("averaging") as progress:
        mean = compute_image_mean(database, output, backend=backend, progress=progress)
    for channel, value in enumerate(mean.channels):
        typer.echo(f"mean_value channel [{channel}]: {value:g}")
    if output:
        typer.echo(f"wrote {output}")
    return VerbResult({"channels": mean.channels, "records": mean.count, "output": output})
