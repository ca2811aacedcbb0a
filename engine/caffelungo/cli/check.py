"""`lungo check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.errors import UserError, grouped
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.check import Report


def check(
    files: Annotated[
        list[str],
        typer.Argument(help="Nets, solvers, image lists, databases and weights; the files they name are checked too."),
    ],
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    no_data: Annotated[
        bool,
        typer.Option("--no-data", help="Do not open the pictures, databases, mean files and weights that files name."),
    ] = False,
    sarif: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a SARIF 2.1.0 report; - is standard output.")
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print GitHub workflow commands that annotate the files.")
    ] = False,
) -> VerbResult:
    """Report everything that is wrong with nets, solvers, image lists and weights, without running anything.

    Example: [bold]lungo check mine/solver.prototxt[/]
    """
    from caffelungo.check import check
    from caffelungo.check.github import workflow_commands
    from caffelungo.check.sarif import sarif as log
    from caffelungo.report import json_output

    if sarif is not None:
        json_output.refuse(sarif, None, "--sarif")
    with json_output.kept_free(sarif) as stdout:
        with o.progress("checking pictures") as progress:
            report = check(files, o.variables(set_), progress, o.listed(stage), level, not no_data)
        _show(report)
        for line in workflow_commands(report) if github else ():
            typer.echo(line, err=json_output.is_taken())
        if sarif is not None:
            json_output.write(sarif, log(report), stdout)
    fields = {"files": report.files, "notices": report.notices}
    return VerbResult(fields, UserError.exit_status if report.problems else 0, report.problems)


def _show(report: Report) -> None:
    """Print what was checked and what is wrong."""
    from caffelungo.check.kinds import OTHER

    for found in report.files:
        typer.echo(f"{found.path}: {found.kind}{f', {found.summary}' if found.summary else ''}")
    for notice in report.notices:
        typer.echo(f"notice: {notice}")
    if report.problems:
        typer.echo(f"{counted(len(grouped(report.problems)), 'problem')}:", err=True)
        typer.echo(str(UserError(report.problems)), err=True)
    elif all(found.kind == OTHER for found in report.files):
        typer.echo("nothing was checked: name nets, solvers, lists, weights or databases")
    else:
        typer.echo("no problem found")
