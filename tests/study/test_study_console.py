"""The line of progress of a study, on a terminal and elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from caffelungo.study.cells import Cell, CellResult, RunningCell, Standing
from caffelungo.study.study_console import StudyBar

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
    text = shown(Standing(3, 1, 5, (RunningCell(CELL, 0.0),), 200.0), terminal=True)
    assert "4 of 9, 1 failed, about 3 min left  wider [/x] [bold]256" in text
    assert "another process" in shown(Standing(3, 0, 5, (), None, elsewhere=5), terminal=True)


def test_elsewhere_a_line_a_tenth_and_each_failure() -> None:
    failed = (CELL, CellResult(CELL.key, "failed", {}, "no [/y]", 1.0, 1.0, Path()))
    standings = [Standing(done, 0, 40 - done, (), 60.0) for done in range(20)]
    text = shown(*standings, Standing(19, 1, 20, (), 60.0, ended=failed), terminal=False)
    assert text.splitlines() == [
        *(f"{done} of 40, about 60 s left" for done in (0, 4, 8, 12, 16)),
        "failed: wider [/x] [bold]256: no [/y]",
        "20 of 40, 1 failed, about 60 s left",
    ]
    assert not shown(*standings, terminal=False, quiet=True)


def test_a_cell_shows_its_own_steps() -> None:
    text = shown(Standing(3, 0, 5, (RunningCell(CELL, 0.0, 0.41, "iteration 41"),), None), terminal=True)
    assert "3 of 8  wider [/x] [bold]256 41%" in text


def test_stopped_by_hand_it_says_how_to_go_on() -> None:
    file = io.StringIO()

    def stopped() -> None:
        with StudyBar(console=Console(file=file, soft_wrap=True)) as bar:
            bar.see(Standing(3, 1, 5, (), None))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert file.getvalue().splitlines()[-1] == (
        "stopped; what is done (4 of these trainings) is kept, and the same command continues from there"
    )


def test_a_failure_of_several_lines_is_one_line() -> None:
    failed = (CELL, CellResult(CELL.key, "failed", {}, "net:3: no\n  received: 9", 1.0, 1.0, Path()))
    assert "failed: wider [/x] [bold]256: net:3: no received: 9\n" in shown(
        Standing(0, 1, 0, (), None, ended=failed), terminal=False
    )
