"""The checks and output of `lungo grow --task`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from caffelungo.cli import options as o
from caffelungo.cli.rewrite_output import Shared
from caffelungo.cli.verb_result import VerbResult
from caffelungo.errors import UserError


def check(net: str | None, asked: Mapping[str, Any]) -> None:
    """Raise UserError if no net is named, or for flags that change the old net, which a new task never does."""
    if net is None:
        raise UserError("--task needs a net to add the task to", remedy="lungo grow NET --task birds/ -o mine2/")
    wrong = [flag for flag, value in asked.items() if value]
    if wrong:
        raise UserError(
            "--task keeps the old net unchanged, and these flags change it",
            received=" ".join(["--task", *wrong]),
            remedy="remove them; --widen and --read affect only the new classifier",
        )


def refuse_without_task(asked: Mapping[str, Any]) -> None:
    """Raise UserError for flags that need ``--task``; those not given are None or an empty list."""
    wrong = [flag for flag, value in asked.items() if value is not None and value != []]
    if wrong:
        raise UserError(f"{wrong[0]} needs --task", received=" ".join(wrong), remedy="add --task FOLDER, or remove it")


def run(wanted: Any, shared: Shared) -> VerbResult:
    """Write the folder described by ``wanted`` (``projects.task_project.TaskProjectOptions``), and print a summary."""
    from caffelungo.projects.task_project import task_project
    from caffelungo.rewriting import folder_texts

    with o.stages(shared.quiet) as say:
        done = task_project(wanted, say)
    if shared.explain:
        for note in done.notes:
            typer.echo(f"  {note}")
    result = VerbResult(
        {
            "folder": wanted.out, "written": [Path(wanted.out, name) for name in done.files], "task": done.name,
            "tasks": done.tasks, "head": done.head, "counts": done.counts, "train": done.train, "val": done.val,
            "iterations": done.iterations, "batch_size": done.batch_size,
            "balance": done.balance.word, "fitted": done.fitted.plain() if done.fitted is not None else None,
            "notes": [str(note) for note in done.notes], "notices": done.notices,
            "commands": o.commands(done.commands),
        }
    )  # fmt: skip
    if shared.quiet:
        return result
    typer.echo(folder_texts.pictures_line(done.counts, done.train, done.val))
    typer.echo(folder_texts.training_line([done.head], done.iterations, done.batch_size))
    if done.fitted is not None:
        one = done.fitted
        typer.echo(
            f"it starts fitted: {one.accuracy:.1%} on held-out training pictures ({one.low:.1%} to {one.high:.1%})"
        )
    if done.balance.why:
        typer.echo(f"balance: {done.balance.why}")
    typer.echo(f"the net answers for {', '.join(done.tasks)}")
    for notice in done.notices:
        typer.echo(f"notice: {notice}")
    typer.echo(f"wrote {wanted.out}: {', '.join(done.files)}")
    typer.echo("next:")
    for command, what in done.commands:
        typer.echo(f"  # {what}\n  {command}")
    return result
