"""`lungo layers`."""

from __future__ import annotations

from typing import Annotated

import typer


def layers(
    type_: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="Layer type to describe.")] = None,
) -> None:
    """List all layer types, or describe one: formula, shapes, blobs and options."""
    from caffelungo.layers import documentation

    typer.echo(documentation.describe(type_) if type_ else documentation.overview())
