"""The cost of a net before and after a rewrite: parameters, operations and memory, one row per layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from caffelungo.plan.cost import Cost, CostRow, compare, total

Value = Callable[[Cost], int | None]
COLUMNS: tuple[tuple[str, Value], ...] = (
    ("parameters", lambda cost: cost.parameters),
    ("operations", lambda cost: cost.operations),
    ("memory", lambda cost: cost.bytes),
)


def print_costs(before: Sequence[Cost], after: Sequence[Cost], console: Console) -> None:
    """Print the layers that cost anything, then the sums; layers that changed are marked."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("layer", no_wrap=True)
    table.add_column("type", no_wrap=True)
    for name, _ in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column("now", justify="right", no_wrap=True)
    for row in compare(before, after):
        if any(value(cost) != 0 for cost in (row.before, row.after) if cost is not None for _, value in COLUMNS):
            table.add_row(*_cells(row), style=_style(row))
    table.add_section()
    table.add_row(*_cells(CostRow("total", "", total(before), total(after))), style="bold")
    console.print(table)
    console.print(Text("one sample going forward; an addition is one operation, memory is that of activations"))


def _style(row: CostRow) -> str:
    if row.before is None:
        return "green"
    return "red" if row.after is None else ""


def _cells(row: CostRow) -> list[str]:
    mark = "+" if row.before is None else "-" if row.after is None else " " if row.before == row.after else "~"
    cells = ["" if row.name == "total" and not row.type else mark, row.name, row.type]
    for name, value in COLUMNS:
        sizes = [None if cost is None else value(cost) for cost in (row.before, row.after)]
        shown = ["" if cost is None else amount(size, name == "memory")
                 for cost, size in zip((row.before, row.after), sizes, strict=True)]  # fmt: skip
        cells += [shown[0], "" if shown[0] == shown[1] and row.name != "total" else shown[1]]
    return cells


def amount(value: int | None, memory: bool = False) -> str:
    """A number with at most four digits and a unit: ``37.7M``, ``1.16G``, ``784KB``; ``?`` when it is not known."""
    if value is None:
        return "?"
    size, step = float(value), 1024.0 if memory else 1000.0
    for unit in ("", "K", "M", "G", "T"):
        if size < step or unit == "T":
            digits = f"{size:.0f}" if not unit or size >= 100 else f"{size:.3g}"
            return f"{digits}{unit}{'B' if memory else ''}"
        size /= step
    raise AssertionError("unreachable")
