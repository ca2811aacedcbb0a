"""What `lungo finetune` prints of a project that it has written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from caffelungo import shell
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.projects.project_options import Summary


def show(done: Summary, output: str, explain: bool) -> None:
    """The pictures, what linear models reach on frozen features, what was written into ``output``, and what to run
    next; with ``explain`` what was changed in the net, too."""
    from caffelungo.rewriting import folder_texts

    if done.pairs:
        typer.echo(f"{counted(done.train, 'pair')} to train on, {done.val} to test on")
    elif done.numbers:
        _say_numbers(done)
    elif done.labelled:
        _say_labels(done)
    else:
        typer.echo(folder_texts.pictures_line(done.counts, done.train, done.val))
    if done.probe is not None:
        from caffelungo.probes.table import table
        from caffelungo.report.terminal import Terminal

        typer.echo("linear classifiers on frozen features, cross-validated on the training pictures:")
        Terminal().print(table(done.probe.rows, done.probe.chosen))
        typer.echo(f"training starts from the one on {done.probe.chosen.candidate.name}")
    if done.balance.why:
        typer.echo(f"balance: {done.balance.why}")
    what = "new output" if done.numbers or done.pairs else "new classifier"
    typer.echo(folder_texts.training_line(done.heads, done.iterations, done.batch_size, what))
    if explain:
        for note in done.notes:
            typer.echo(f"  {note}")
    for notice in done.notices:
        typer.echo(f"notice: {notice}")
    typer.echo(f"wrote {output}: {', '.join(done.files)}")
    typer.echo(f"next (all of it but the last line: {shell.command('sh', Path(output, 'run.sh'))}):")
    for command, what in done.commands:
        typer.echo(f"  # {what}\n  {command}")


def _say_numbers(done: Summary) -> None:
    """What is predicted, from which pictures, and what linear regressions reach."""
    from caffelungo.projects import number_texts

    typer.echo(number_texts.pictures_line(done.numbers, done.train, done.val))
    if done.regressions is not None:
        from caffelungo.probes.start_tables import regression_table
        from caffelungo.report.terminal import Terminal

        tried = done.regressions
        typer.echo("ridge regressions on frozen features, cross-validated on the training pictures:")
        Terminal().print(regression_table(tried.rows, tried.chosen, [one.title for one in done.numbers]))
        typer.echo(f"training starts from the one on {tried.chosen.candidate.name}")


def _say_labels(done: Summary) -> None:
    """Which labels there are, from which pictures, and what logistic regressions reach."""
    from caffelungo.projects import label_texts

    typer.echo(label_texts.pictures_line(done.counts, done.train, done.val))
    if done.label_regressions is not None:
        from caffelungo.probes.start_tables import label_table
        from caffelungo.report.terminal import Terminal

        tried = done.label_regressions
        typer.echo("logistic regressions on frozen features, one per label, cross-validated on the training pictures:")
        Terminal().print(label_table(tried.rows, tried.chosen))
        typer.echo(f"training starts from those on {tried.chosen.candidate.name}")
