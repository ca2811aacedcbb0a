"""The line of progress of a study, on a terminal and elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from caffelungo.report.studies import StudyBar
from caffelungo.study.cells import Cell, Result, Running, Standing

CELL = Cell("tests.study.kinds:add", {}, title="wider [/x] [bold]256")


def shown(*standings: Standing, terminal: bool, quiet: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, soft_wrap=True, no_color=True)
    with StudyBar(quiet, console) as bar:
        for standing in standings:
            bar.see(standing)
            bar.bar.refresh()
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_terminal_shows_counts_time_and_what_runs_as_it_is_called() -> None:
    text = shown(Standing(3, 1, 5, (Running(CELL, 0.0),), 200.0), terminal=True)
    assert "4 of 9, 1 failed, about 3 min left  wider [/x] [bold]256" in text
    assert "another process" in shown(Standing(3, 0, 5, (), None, elsewhere=5), terminal=True)


def test_elsewhere_a_line_a_tenth_and_each_failure() -> None:
    failed = (CELL, Result(CELL.key, "failed", {}, "no [/y]", 1.0, 1.0, Path()))
    standings = [Standing(done, 0, 40 - done, (), 60.0) for done in range(20)]
    text = shown(*standings, Standing(19, 1, 20, (), 60.0, ended=failed), terminal=False)
    assert text.splitlines() == [
        *(f"{done} of 40, about 60 s left" for done in (0, 4, 8, 12, 16)),
        "failed: wider [/x] [bold]256: no [/y]",
        "20 of 40, 1 failed, about 60 s left",
    ]
    assert not shown(*standings, terminal=False, quiet=True)
