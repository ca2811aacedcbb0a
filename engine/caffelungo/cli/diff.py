"""`lungo diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.errors import UserError


def diff(
    weights: Annotated[
        list[str],
        typer.Argument(
            help="Weights before and after, in any format --weights accepts; further ones are compared with the first."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="The net of the weights, if the files do not contain the layers' types.")
    ] = None,
    csv: Annotated[str | None, typer.Option(help="Write the table as CSV, one row per blob.")] = None,
    units: Annotated[str | None, typer.Option(help="Write the change of each unit as CSV.")] = None,
    draw: Annotated[
        str | None,
        typer.Option(metavar="PNG", help="Plot the change of each layer; for several files, over iterations."),
    ] = None,
    set_: o.Set = None,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Compare weights before and after training: how far each layer and unit moved, and what is new.

    Example: [bold]lungo diff squeezenet_v1.1.caffemodel mine/solver_iter_300.caffemodel --draw change.png[/]
    """
    from caffelungo.report import weight_change_figure, weight_change_files, weight_change_table
    from caffelungo.weights import compare_weights

    if len(weights) < 2:
        raise UserError(
            "diff needs two or more weight files",
            received=", ".join(weights),
            remedy="lungo diff before.caffemodel after.caffemodel",
        )
    with o.working("comparing ..."):
        found = compare_weights.compare_files(weights, model, o.variables(set_))
    if csv is not None:
        weight_change_files.write_layers(found, csv)
    if units is not None:
        weight_change_files.write_units(found, units)
    if draw is not None:
        weight_change_figure.picture(found, draw)
    fields = weight_change_files.as_fields(found)
    result = VerbResult(fields[0] if len(fields) == 1 else {"differences": fields})
    if quiet:
        return result
    from caffelungo.report.terminal import Terminal

    terminal = Terminal()
    weight_change_table.show(found, terminal if terminal.is_terminal else Terminal(width=160))
    for word, path in (("wrote", csv), ("wrote", units), ("drew", draw)):
        if path is not None:
            typer.echo(f"{word} {path}")
    return result
