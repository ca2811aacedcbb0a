"""Tables of what a training starts from, at the width of a terminal of 80 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from caffelungo.probes import start_tables, table
from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.choose_candidate import TriedCandidate
from caffelungo.probes.number_start import TriedRegression
from caffelungo.probes.penalty_path import PenaltyRow

LAYERS = ("fire2/concat", "inception_3a/output", "all")


def printed(made: Table) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=80).print(made)
    return text.getvalue().splitlines()


@pytest.mark.parametrize("numbers", [1, 2, 5])
def test_a_line_per_layer_for_any_number_of_numbers(numbers: int) -> None:
    rows = [
        TriedRegression(ProbeCandidate(name, (name,)), 4096, (0.5,), 0, (0.25,) * numbers, (1234.5,) * numbers, 60)
        for name in LAYERS
    ]
    lines = printed(start_tables.regression_table(rows, rows[1], [f"length of {k} (mm)" for k in range(numbers)]))
    own = [line for line in lines if "4096" in line]
    assert [line.lstrip("> ").split()[0] for line in own] == list(LAYERS)
    assert lines[-3:] == own
    assert all(line.count("0.250") == (numbers if numbers < 3 else 1) for line in own)
    assert ("mean R2" in lines[0]) == (numbers > 2)


def test_a_line_per_layer_of_classes() -> None:
    rows = [
        TriedCandidate(
            ProbeCandidate(name, (name,)),
            4096,
            (PenaltyRow(penalty=1e3, loss=0.5, accuracy=1.0, balanced=0.9, iterations=9, converged=True),),
            0,
            60,
            60,
            0.896,
            1.0,
        )
        for name in LAYERS
    ]
    lines = printed(table.table(rows, rows[0]))
    assert len(lines) == 1 + len(LAYERS)
    assert all("1e+03" in line and "89.6% to 100.0%" in line for line in lines[1:])
