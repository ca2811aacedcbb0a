"""`lungo upgrade_net_proto_text`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli.verb_result import VerbResult


def upgrade_net_proto_text(
    source: Annotated[str, typer.Argument(metavar="IN", help="An old net definition (V0, V1, input_dim ...).")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The file to write.")],
    diff: Annotated[bool, typer.Option("--diff", help="Print the changes as a unified diff.")] = False,
) -> VerbResult:
    """Upgrade an old net definition to the current format, keeping its comments."""
    from caffelungo.cli.upgrading import upgrade
    from caffelungo.definition.reader import read_net

    return upgrade(read_net(source), target, diff)
