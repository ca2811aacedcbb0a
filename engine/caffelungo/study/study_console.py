"""The console output of a study: its plan, progress while cells run, and the tables at the end."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from caffelungo.report.console import REFRESH
from caffelungo.report.terminal import Terminal
from caffelungo.study.cells.progress import RunningCell, Standing
from caffelungo.study.picture_splits import PictureSplit
from caffelungo.study.search import ArmCandidate
from caffelungo.study.tables import ResultTable
from caffelungo.wording import counted


class StudyBar:
    """One line on a terminal: cells done, failed and left, the time left, what runs now. Elsewhere one line a tenth."""

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        self.console = console or Terminal(stderr=True, soft_wrap=True)
        self.quiet, self.live = quiet, self.console.is_terminal and not quiet
        columns = (BarColumn(), TextColumn("{task.description}", markup=False))
        self.bar = Progress(
            *columns, console=self.console, transient=True, disable=not self.live, refresh_per_second=1 / REFRESH
        )
        self.task = self.bar.add_task("")
        self._told = -1
        self._ended = 0

    def __enter__(self) -> StudyBar:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            done = f"what is done ({self._ended} of these trainings) is kept" if self._ended else "what is done is kept"
            self.console.print(f"stopped; {done}, and the same command continues from there", markup=False)

    def say(self, text: str) -> None:
        """What is done next."""
        if not self.quiet:
            self.console.print(text, markup=False)
        self._told, self._ended = -1, 0

    def see(self, standing: Standing) -> None:
        """Show how far the cells are."""
        total = standing.done + standing.failed + standing.left
        ended = self._ended = standing.done + standing.failed
        failed = f", {standing.failed} failed" if standing.failed else ""
        left = f", about {_minutes(standing.seconds_left)} left" if standing.seconds_left else ""
        text = f"{ended} of {total}{failed}{left}"
        names = "; ".join(_running(one) for one in standing.running)
        if not names and standing.elsewhere:
            names = "waiting for another process"
        self.bar.update(self.task, completed=ended, total=total, description=f"{text}  {names}")
        if standing.ended is not None and not standing.ended[1].done and not self.quiet:
            cell, result = standing.ended
            self.console.print(f"failed: {cell.name}: {' '.join((result.error or '').split())}", markup=False)
        tenth = 10 * ended // max(1, total)
        if not self.live and not self.quiet and tenth > self._told:
            self._told = tenth
            self.console.print(text, markup=False)


def _running(one: RunningCell) -> str:
    """A cell and how far it is."""
    return f"{one.cell.name} {one.share:.0%}" if one.share else str(one.cell.name)


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def print_plan(
    pictures: PictureSplit, plan: Sequence[ArmCandidate], rates: int, seeds: int, via: PictureSplit | None = None
) -> None:
    """The pictures, the arms, what cannot be built and why, and how many trainings that makes.

    ``via``: the pictures of a task between, whose trainings come on top.
    """
    console = Terminal(soft_wrap=True)
    for name, each in (("", pictures), ("the intermediate task: ", via)):
        if each is not None:
            console.print(
                f"{name}{counted(len(each.classes), 'class')}: {counted(len(each.fit), 'training picture')}, "
                f"{len(each.validation)} for choosing rates, {len(each.test)} for testing",
                markup=False,
            )
            for notice in each.notices:
                console.print(f"notice: {notice}", markup=False)
    built = [one for one in plan if one.refusal is None]
    for one in plan:
        if one.refusal is not None:
            console.print(f"{one.configuration.label}, {one.configuration.tune.lower()}: {one.refusal}", markup=False)
    numbers = sorted({one.iterations for one in built})
    iterations = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else "".join(str(number) for number in numbers)
    console.print(
        f"{counted(len(built), 'net')} x {counted(rates, 'rate')} x {counted(seeds, 'seed')}: "
        f"{counted(len(built) * rates * seeds, 'training')}"
        + (f" of {counted(iterations, 'iteration')}" if built else "")
        + ("; plus those of the intermediate task" if via is not None else "")
    )


def print_tables(tables: Sequence[ResultTable], sentences: Sequence[str]) -> None:
    """Each table under its title, what is said of it below, and the ``sentences`` at the end."""
    console = Terminal()
    for one in tables:
        table = Table(title=one.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column, name in enumerate(one.head):
            left = column == 0 or name in ("learns", "verdict")
            table.add_column(name, no_wrap=column > 0, justify="left" if left else "right")
        for line in one.lines:
            table.add_row(*(Text(cell) for cell in line))
        console.print(table)
        if one.text:
            console.print(one.text, markup=False, soft_wrap=True)
        console.print()
    for sentence in sentences:
        console.print(sentence, markup=False)
