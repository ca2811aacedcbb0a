"""Prints how each class did in a test, as a table on the console; ``classification_score`` computes the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from caffelungo.wording import counted

SHOWN = 30
"""Classes in a table; of more, those with the lowest recall."""


def print_classes(rows: Sequence[tuple[str, int, int, float, float]], console: Console) -> None:
    """Print (name, samples, right, recall, precision) of each class, or of the worst ones when there are many."""
    seen = [row for row in rows if row[1]]
    shown = list(seen)
    if len(seen) > SHOWN:
        shown = sorted(seen, key=lambda row: row[3])[:SHOWN]
        console.print(f"the {SHOWN} of {counted(len(seen), 'class')} with the lowest recall:")
    table = Table(box=None, pad_edge=False)
    table.add_column("class", overflow="fold")
    for name in ("samples", "right", "recall", "precision"):
        table.add_column(name, justify="right")
    for name, samples, right, recall, precision in shown:
        table.add_row(name, str(samples), str(right), share(recall), share(precision))
    console.print(table)


def share(value: float) -> str:
    """A share as a percentage, a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.1%}"
