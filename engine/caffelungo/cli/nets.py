"""`lungo nets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from caffelungo import shell
from caffelungo.cli import completion
from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.errors import UserError

if TYPE_CHECKING:
    from caffelungo.definition.catalogue import CatalogueNet


def nets(
    action: Annotated[str, typer.Argument(autocompletion=completion.net_actions, help="list, show or copy.")] = "list",
    name: Annotated[str | None, typer.Argument(autocompletion=completion.net_names, help="Name of a net.")] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="Folder to copy to.")] = None,
    set_: o.Set = None,
) -> VerbResult:
    """List the nets that ship with Caffelungo, show the card of one, or copy one to edit.

    Example: [bold]lungo nets copy squeezenet1.1 -o mine/[/]
    """
    from caffelungo.definition import catalogue

    if action == "list":
        typer.echo(catalogue.overview())
        return VerbResult({"nets": [_entry(catalogue.find(one)) for one in catalogue.names()]})
    if action in ("show", "copy") and name is None:
        remedy = f"as `{shell.command('lungo', 'nets', action, 'caffenet')}`"
        raise UserError("no net named", received=f"lungo nets {action}", remedy=remedy)
    if action == "show":
        found = catalogue.find(name or "")
        typer.echo(found.card)
        return VerbResult({"nets": [_entry(found)], "card": found.card})
    if action == "copy":
        written = catalogue.copy(name or "", output or name or "", o.variables(set_))
        for path in written:
            typer.echo(f"wrote {path}")
        return VerbResult({"nets": [_entry(catalogue.find(name or ""))], "files": written})
    raise UserError("unknown action", received=action, remedy="use one of: list, show, copy")


def _entry(net: CatalogueNet) -> dict[str, Any]:
    """A net of the catalogue, for `--json`."""
    return {"name": net.name, "family": net.family, "summary": net.summary, "weights": net.weights}
