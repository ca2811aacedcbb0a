"""Progress on standard error while a verb runs: a spinner, a bar, or a bar whose text changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def working(text: str) -> Iterator[Any]:
    """Show a spinner on a terminal while the body runs; ``.update`` changes its text."""
    from caffelungo.report.terminal import Terminal

    with Terminal(stderr=True).status(text) as status:
        yield status


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; the body calls the yielded function with (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from caffelungo.report.terminal import Terminal

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Terminal(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar with changing text: the body calls the yielded function with (what, done, total).

    Without a terminal, one line per new text is printed; nothing if ``quiet``.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from caffelungo.report.terminal import Terminal

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Terminal(stderr=True)
    last = ""
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def report(what: str, done: int, total: int) -> None:
            nonlocal last
            if what != last and not quiet and not console.is_terminal:
                console.print(f"{what} ...", markup=False)
            last = what
            bar.update(task, description=what, completed=done)
            bar.tasks[0].total = total or None  # update takes None for "as it was"

        yield report
