"""What a training that predicts numbers, or tells several labels, starts from: one row per layer on the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from caffelungo.probes.label_start import TriedLabels
    from caffelungo.probes.number_start import TriedRegression


def regression_table(rows: Sequence[TriedRegression], best: TriedRegression, titles: Sequence[str]) -> Table:
    """Layer, features, penalty, and of each number (``titles``) R2 and RMSE on pictures held out."""
    result = Table(box=None, pad_edge=False)
    result.add_column("", width=1)
    result.add_column("layer", no_wrap=True)
    named = [f"{measure} of {title}" for title in titles for measure in ("R2", "RMSE")]
    for name in ("features", "penalty", *(named if len(titles) > 1 else ("R2", "RMSE"))):
        result.add_column(name, justify="right")
    for row in rows:
        cells = [text for r2, rmse in zip(row.r2, row.rmse, strict=True) for text in (f"{r2:.3f}", f"{rmse:.4g}")]
        result.add_row(
            ">" if row is best else "", Text(row.candidate.name), str(row.features), f"{row.penalty:.3g}", *cells,
            style="bold" if row is best else None,
        )  # fmt: skip
    return result


def label_table(rows: Sequence[TriedLabels], best: TriedLabels) -> Table:
    """Layer, features, penalty, and mean average precision and log loss of several labels on pictures held out."""
    result = Table(box=None, pad_edge=False)
    result.add_column("", width=1)
    result.add_column("layer", overflow="fold")
    for name in ("features", "penalty", "mAP", "log loss"):
        result.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        result.add_row(
            ">" if row is best else "", Text(row.candidate.name), str(row.features), f"{row.penalty:.3g}",
            f"{row.ap:.1%}", f"{row.loss:.3f}", style="bold" if row is best else None,
        )  # fmt: skip
    return result
