"""`lungo nets`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo import shell
from caffelungo.cli import options as o
from caffelungo.errors import UserError


def nets(
    action: Annotated[str, typer.Argument(help="list, show or copy.")] = "list",
    name: Annotated[str | None, typer.Argument(help="Name of a net.")] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="Folder to copy to.")] = None,
    set_: o.Set = None,
) -> None:
    """List the nets that ship with Caffelungo, show the card of one, or copy one to edit.

    Example: [bold]lungo nets copy squeezenet1.1 -o mine/[/]
    """
    from caffelungo.definition import catalogue

    if action == "list":
        typer.echo(catalogue.overview())
    elif action in ("show", "copy") and name is None:
        remedy = f"as `{shell.command('lungo', 'nets', action, 'caffenet')}`"
        raise UserError("no net named", received=f"lungo nets {action}", remedy=remedy)
    elif action == "show":
        typer.echo(catalogue.find(name or "").card)
    elif action == "copy":
        for path in catalogue.copy(name or "", output or name or "", o.variables(set_)):
            typer.echo(f"wrote {path}")
    else:
        raise UserError("unknown action", received=action, remedy="one of list, show and copy")
