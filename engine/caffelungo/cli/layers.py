"""`lungo layers`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import completion
from caffelungo.cli.verb_result import VerbResult


def layers(
    type_: Annotated[
        str | None,
        typer.Argument(metavar="[TYPE]", autocompletion=completion.layer_types, help="Layer type to describe."),
    ] = None,
) -> VerbResult:
    """List all layer types, or describe one: formula, shapes, blobs and options."""
    from caffelungo.layers import documentation, registry

    text = documentation.describe(type_) if type_ else documentation.overview()
    typer.echo(text)
    types = [type_] if type_ else list(registry.layer_types())
    return VerbResult({"types": types, "text": text})
