"""What a person sees of a study: its plan, a line of progress while cells run, and the tables at the end."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from caffelungo.report.console import REFRESH


class StudyBar:
    """One line on a terminal: cells done, failed and left, the time left, what runs now. Elsewhere one line a tenth."""

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.quiet, self.live = quiet, self.console.is_terminal and not quiet
        columns = (BarColumn(), TextColumn("{task.description}", markup=False))
        self.bar = Progress(
            *columns, console=self.console, transient=True, disable=not self.live, refresh_per_second=1 / REFRESH
        )
        self.task = self.bar.add_task("")
        self._told = -1

    def __enter__(self) -> StudyBar:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        """What is done next."""
        if not self.quiet:
            self.console.print(text, markup=False)
        self._told = -1

    def see(self, standing: Any) -> None:
        """Show a ``cells.Standing``."""
        total = standing.done + standing.failed + standing.left
        ended = standing.done + standing.failed
        failed = f", {standing.failed} failed" if standing.failed else ""
        left = f", about {_minutes(standing.seconds_left)} left" if standing.seconds_left else ""
        text = f"{ended} of {total}{failed}{left}"
        names = "; ".join(running.cell.name for running in standing.running)
        if not names and standing.elsewhere:
            names = "waiting for what another process works on"
        self.bar.update(self.task, completed=ended, total=total, description=f"{text}  {names}")
        if standing.ended is not None and not standing.ended[1].done and not self.quiet:
            cell, result = standing.ended
            self.console.print(f"failed: {cell.name}: {result.error}", markup=False)
        tenth = 10 * ended // max(1, total)
        if not self.live and not self.quiet and tenth > self._told:
            self._told = tenth
            self.console.print(text, markup=False)


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def print_plan(pictures: Any, plan: Sequence[Any], rates: int, seeds: int) -> None:
    """The pictures, the arms, what cannot be built and why, and how many trainings that makes."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{len(pictures.classes)} classes: {len(pictures.fit)} pictures to learn from, {len(pictures.validation)} to "
        f"choose rates on, {len(pictures.test)} to judge by"
    )
    for notice in pictures.notices:
        console.print(f"notice: {notice}", markup=False)
    built = [one for one in plan if one.refusal is None]
    for one in plan:
        if one.refusal is not None:
            console.print(f"cannot be built: {one.configuration.title}: {one.refusal}", markup=False)
    count = len(built) * rates * seeds
    console.print(f"{len(built)} nets x {rates} rates x {seeds} seeds: {count} trainings")


def print_tables(tables: Sequence[Any], words: str) -> None:
    """Each table under its title, and the ``words`` at the end."""
    console = Console(highlight=False)
    for one in tables:
        table = Table(title=one.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column, name in enumerate(one.head):
            table.add_column(name, overflow="fold", no_wrap=0 < column < 4, justify="left" if column == 0 else "right")
        for line in one.lines:
            table.add_row(*(Text(cell) for cell in line))
        console.print(table)
        console.print()
    if words:
        console.print(words, markup=False, soft_wrap=True)
