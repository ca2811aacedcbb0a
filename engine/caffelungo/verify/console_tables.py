"""What `lungo verify` found, for people: a table of blobs, a table of weights, the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from caffelungo.layers.base import shape_text
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.verify.matching_blobs import Blob
    from caffelungo.verify.verified import LayerWeights, Verified

STYLES = {"changed": "bold red", "new": "green", "gone": "dim"}
FEW = 3
"""Runs of as many like rows are shown one by one; longer ones as one row."""


def show(found: Verified, console: Console, every: bool = False) -> None:
    """Print both tables, the notices and the verdict; ``every``: runs of like rows are not gathered."""
    console.print(Text(f"{found.before} -> {found.after}: {found.inputs}", style="bold"), soft_wrap=True)
    table = _table("layer", "blob", "shape", "", "difference", "")
    for group in _runs(found.blobs, every):
        table.add_row(*_blobs(group), style=STYLES.get(group[0].status, ""))
    console.print(table)
    if found.parameters:
        console.print()
        weights = _table("weights of", "type", "", "")
        for run in _weights(found.parameters, every):
            weights.add_row(*run[0], style=STYLES.get(run[1], ""))
        console.print(weights)
    for notice in found.notices:
        console.print(Text(f"notice: {notice}", style="yellow"), soft_wrap=True)
    console.print()
    console.print(Text(found.verdict, style="bold" if found.kept else "bold red"), soft_wrap=True)


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for position, name in enumerate(names):
        last = position == len(names) - 1
        table.add_column(name, no_wrap=not last, overflow="fold", justify="right" if name == "difference" else "left")
    return table


def _runs(blobs: Sequence[Blob], every: bool) -> Iterable[list[Blob]]:
    """Neighbours of one status and without a remark."""
    for _, group in groupby(enumerate(blobs), key=lambda pair: _kind(pair[1], pair[0])):
        found = [blob for _, blob in group]
        if every or len(found) <= FEW:
            yield from ([blob] for blob in found)
        else:
            yield found


def _kind(blob: Blob, position: int) -> tuple[object, ...]:
    plain = blob.status in ("identical", "equal", "gone") and not blob.why
    plain = plain or (blob.status == "changed" and blob.why.startswith("it reads"))
    return (blob.status, -1 if plain else position)


def _blobs(group: list[Blob]) -> list[str]:
    first, last = group[0], group[-1]
    worst = max((blob.difference for blob in group if not math.isnan(blob.difference)), default=math.nan)
    shown = "" if math.isnan(worst) or worst == 0 else "-" if math.isinf(worst) else f"{worst:.1e}"
    if len(group) > 1:
        renamed = sum(bool(blob.was) for blob in group)
        note = first.why or (f"{renamed} made by layers with new names" if renamed else "")
        return [f"{first.layer} ... {last.layer}", counted(len(group), "blob"), "", first.status, shown, note]
    was = [f"`{name}`" for name in (first.was, first.was_blob) if name]
    note = first.why or (f"before {', '.join(dict.fromkeys(was))}" if was else "")
    return [first.layer, first.blob, shape_text(first.shape), first.status, shown, note]


def _weights(found: Sequence[LayerWeights], every: bool) -> Iterable[tuple[list[str], str]]:
    for _, group in groupby(found, key=lambda one: (one.status, one.note)):
        run = list(group)
        if every or len(run) <= FEW:
            yield from (([one.layer, one.type, one.status, one.note], one.status) for one in run)
        else:
            yield (
                [f"{run[0].layer} ... {run[-1].layer}", counted(len(run), "layer"), run[0].status, run[0].note],
                run[0].status,
            )
