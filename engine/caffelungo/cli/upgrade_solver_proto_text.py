"""`lungo upgrade_solver_proto_text`."""

from __future__ import annotations

from typing import Annotated

import typer


def upgrade_solver_proto_text(
    source: Annotated[str, typer.Argument(metavar="IN", help="An old solver (solver_type).")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The file to write.")],
    diff: Annotated[bool, typer.Option("--diff", help="Show what changes.")] = False,
) -> None:
    """Bring an old solver definition up to date, its comments kept."""
    from caffelungo.cli.upgrading import upgrade
    from caffelungo.definition.reader import read_solver

    upgrade(read_solver(source), target, diff)
