"""`lungo upgrade_solver_proto_text`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli.verb_result import VerbResult


def upgrade_solver_proto_text(
    source: Annotated[str, typer.Argument(metavar="IN", help="An old solver definition (solver_type).")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The file to write.")],
    diff: Annotated[bool, typer.Option("--diff", help="Print the changes as a unified diff.")] = False,
) -> VerbResult:
    """Upgrade an old solver definition to the current format, keeping its comments."""
    from caffelungo.cli.upgrading import upgrade
    from caffelungo.definition.reader import read_solver

    return upgrade(read_solver(source), target, diff)
