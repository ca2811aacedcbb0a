"""`lungo check`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.errors import UserError, grouped


def check(
    files: Annotated[
        list[str],
        typer.Argument(help="Nets, solvers, image lists, databases and weights; the files they name are checked too."),
    ],
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
) -> None:
    """Report everything that is wrong with nets, solvers, image lists and weights, without running anything.

    Example: [bold]lungo check mine/solver.prototxt[/]
    """
    from caffelungo.check import check
    from caffelungo.check.kinds import OTHER

    with o.progress("checking pictures") as progress:
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
