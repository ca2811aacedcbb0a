"""The common part of the two upgrade verbs."""

from __future__ import annotations

import typer

from caffelungo import files
from caffelungo.cli.verb_result import VerbResult
from caffelungo.definition import editor
from caffelungo.definition.definition import Definition


def upgrade(definition: Definition, target: str, diff: bool) -> VerbResult:
    """Write the upgraded text to ``target`` and print what changed."""
    for note in definition.notes:
        typer.echo(note)
    if diff:
        typer.echo(editor.upgrade_diff(definition), nl=False)
    files.write_text(target, definition.text)
    typer.echo(f"wrote {target}" if definition.notes else f"wrote {target}; nothing was out of date")
    return VerbResult({"output": target, "notes": definition.notes, "diff": editor.upgrade_diff(definition)})
