"""`lungo check`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.errors import UserError, grouped


def check(
    files: Annotated[list[str], typer.Argument(help="Nets, solvers, image lists, weights, and what they name.")],
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
) -> None:
    """Say everything that is wrong with a net, a solver or an image list, before anything is loaded.

    Example: [bold]lungo check mine/solver.prototxt[/]
    """
    from caffelungo.check import check
    from caffelungo.check.kinds import OTHER

    with o.progress("looking at pictures") as progress:
        report = check(files, o.variables(set_), progress, o.listed(stage), level)
    for found in report.files:
        typer.echo(f"{found.path}: {found.kind}{f', {found.summary}' if found.summary else ''}")
    for notice in report.notices:
        typer.echo(f"notice: {notice}")
    if report.problems:
        typer.echo(f"{len(grouped(report.problems))} problem(s):", err=True)
        raise UserError(report.problems)
    if all(found.kind == OTHER for found in report.files):
        typer.echo("nothing was checked: name nets, solvers, lists, weights or databases")
        return
    typer.echo("no problem found")
