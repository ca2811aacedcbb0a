"""What a training starts from: one row per layer on the console, for numbers and for several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from caffelungo.probes.table import layer_table

if TYPE_CHECKING:
    from rich.table import Table

    from caffelungo.probes.label_start import TriedLabels
    from caffelungo.probes.number_start import TriedRegression


EACH = 2
"""Numbers whose measures a table of 80 columns has room for, each in its own columns."""


def regression_table(rows: Sequence[TriedRegression], best: TriedRegression, titles: Sequence[str]) -> Table:
    """Layer, features, penalty, and R2 and RMSE of each number (``titles``) on pictures held out; of many mean R2."""
    many = len(titles) > EACH
    named = [f"{measure} of {title}" for title in titles for measure in ("R2", "RMSE")]
    single = ["R2", "RMSE"] if len(titles) == 1 else named
    result = layer_table([row.candidate.name for row in rows], ["mean R2"] if many else single)
    for row in rows:
        pairs = zip(row.r2, row.rmse, strict=True)
        cells = [text for r2, rmse in pairs for text in (f"{r2:.3f}", f"{rmse:.4g}")]
        if many:
            cells = [f"{sum(row.r2) / len(row.r2):.3f}"]
        result.add_row(
            ">" if row is best else "", Text(row.candidate.name), str(row.features), f"{row.penalty:.3g}", *cells,
            style="bold" if row is best else None,
        )  # fmt: skip
    return result


def label_table(rows: Sequence[TriedLabels], best: TriedLabels) -> Table:
    """Layer, features, penalty, and mean average precision and log loss of several labels on pictures held out."""
    result = layer_table([row.candidate.name for row in rows], ["mAP", "log loss"])
    for row in rows:
        result.add_row(
            ">" if row is best else "", Text(row.candidate.name), str(row.features), f"{row.penalty:.3g}",
            f"{row.ap:.1%}", f"{row.loss:.3f}", style="bold" if row is best else None,
        )  # fmt: skip
    return result
