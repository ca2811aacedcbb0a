"""What training changed, as a table on the console."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from caffelungo.layers.base import shape_text
from caffelungo.weights.compare_weights import iteration
from caffelungo.weights.weight_changes import BlobChange, LayerChange, WeightChanges
from caffelungo.wording import counted


def show(differences: Sequence[WeightChanges], console: Console) -> None:
    """Print the table of two files, or of several the change of each layer over them."""
    if len(differences) == 1:
        render(differences[0], console)
        return
    console.print(Text(f"change since {differences[0].before}", style="bold"), soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for found in differences:
        time = iteration(found.after)
        table.add_column(Path(found.after).name if time is None else str(time), justify="right", overflow="fold")
    names = dict.fromkeys(layer.name for found in differences for layer in found.layers)
    for name in names:
        layers = [next((layer for layer in found.layers if layer.name == name), None) for found in differences]
        table.add_row(name, *(_over_time(layer) for layer in layers))
    console.print(table)
    for found in differences:
        for text in summary(found):
            if text.startswith("NOT A NUMBER"):
                console.print(Text(f"{found.after}: {text}", style="bold red"), soft_wrap=True)
    for notice in dict.fromkeys(notice for found in differences for notice in found.notices):
        console.print(Text(f"notice: {notice}", style="yellow"), soft_wrap=True)


def _over_time(layer: LayerChange | None) -> str:
    if layer is None:
        return ""
    return layer.status if math.isnan(layer.relative) else number(layer.relative)


def render(found: WeightChanges, console: Console) -> None:
    """Print the table, a blob a row, and below it the layers that only one file has and what else is to be known."""
    console.print(Text(f"{found.before} -> {found.after}", style="bold"), soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name, justify in (("layer", "left"), ("blob", "left"), ("shape", "left"), ("change", "right"),
                          ("cosine", "right"), ("signs", "right"), ("largest", "right"),
                          ("units 10..90 %", "right"), ("most: unit", "right"), ("", "left")):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=name != "", overflow="fold" if name == "" else "ellipsis")  # type: ignore[arg-type]
    for layer in found.layers:
        for position, blob in enumerate(layer.blobs):
            table.add_row(layer.name if position == 0 else "", *_cells(layer, blob), style=_style(layer, blob))
    console.print(table)
    for text in summary(found):
        console.print(Text(text), soft_wrap=True)
    for notice in found.notices:
        console.print(Text(f"notice: {notice}", style="yellow"), soft_wrap=True)


def summary(found: WeightChanges) -> list[str]:
    """What to see first, in words."""
    compared = [layer for layer in found.layers if not math.isnan(layer.relative)]
    same = [layer.name for layer in compared if layer.relative == 0 and not layer.broken]
    lines = []
    if len(same) == len(compared):
        lines.append(f"unchanged: all {counted(len(compared), 'layer')} of both files")
    else:
        moved = sorted((layer for layer in compared if layer.relative), key=lambda layer: -layer.relative)
        most = ", ".join(f"{layer.name} {number(layer.relative)}" for layer in moved[:3])
        lines.append(f"changed: {len(moved)} of {counted(len(compared), 'layer')}, most {most}")
        if same:
            lines.append(f"unchanged to the bit: {_listed(same)}")
    for status, word in (("new", "only in the later file"), ("gone", "only in the earlier file"),
                         ("shared part", "of another shape, compared on the shared part"),
                         ("not comparable", "of another shape, not compared")):  # fmt: skip
        if names := found.named(status):
            lines.append(f"{word}: {_listed(names)}")
    broken = [(layer, blob) for layer in found.layers for blob in layer.blobs if any(blob.broken)]
    lines += [
        f"NOT A NUMBER: {layer.name} {blob.name}: {'; '.join(n for n in blob.notes if 'first at' in n)}"
        for layer, blob in broken
    ]
    return lines


def _cells(layer: LayerChange, blob: BlobChange) -> list[str]:
    shape = shape_text(blob.after if blob.after is not None else blob.before)
    notes = list(blob.notes)
    if blob.status in ("new", "gone"):
        size = float(np.sqrt((blob.units.added**2).sum())) if blob.units is not None else math.nan
        first = "new" if blob.status == "new" else "gone"
        notes.insert(0, first if math.isnan(size) else f"{first}, norm {number(size)}")
        return [blob.name, shape, *[""] * 6, "; ".join(notes)]
    spread, most = "", ""
    relative = blob.finite
    if len(relative) > 1:
        low, high = np.percentile(relative, [10, 90])
        at = int(np.argmax(_ranked(blob)))
        spread, most = f"{number(low)} .. {number(high)}", f"{number(_ranked(blob)[at])}: {at}"
    return [
        blob.name, shape, number(blob.relative), _cosine(blob.cosine),
        "" if math.isnan(blob.signs) else f"{blob.signs:.2%}", number(blob.largest), spread, most, "; ".join(notes),
    ]  # fmt: skip


def _style(layer: LayerChange, blob: BlobChange) -> str:
    if any(blob.broken):
        return "bold red"
    return {"new": "green", "gone": "dim"}.get(blob.status, "dim" if blob.relative == 0 else "")


def _ranked(blob: BlobChange) -> np.ndarray[Any, Any]:
    assert blob.units is not None
    relative = blob.units.relative
    return np.where(np.isfinite(relative), relative, -1)


def number(value: float) -> str:
    """Three digits; nothing for NaN, and a word for a change of what was zero."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "from 0"
    return f"{value:.3g}"


def _cosine(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.4f}" if value < 0.9999 or value == 1 else f"1-{1 - value:.1g}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:7])} and {len(names) - 7} more"
