"""The linear classifiers of a probe: one row per layer on the console, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from caffelungo.files import written_whole
from caffelungo.report.curves import COLOURS

if TYPE_CHECKING:
    from caffelungo.probes.choose_candidate import TriedCandidate


MEASURES = ("accuracy", "95 % interval", "balanced", "log loss")


LONGEST_TITLE = 14
"""Characters of a title that is not wrapped."""


def layer_table(layers: Sequence[str], measures: Sequence[str]) -> Table:
    """An empty table of a mark, one of ``layers``, features, penalty and ``measures``: a line per row, whose names and
    numbers stay whole while titles wrap."""
    result = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    result.add_column("", width=1)
    result.add_column("layer", no_wrap=True, min_width=max(map(len, layers), default=1))
    for name in ("features", "penalty", *measures):
        result.add_column(name, justify="right", no_wrap=len(name) <= LONGEST_TITLE)
    return result


def table(rows: Sequence[TriedCandidate], best: TriedCandidate) -> Table:
    """Layer, features, penalty, and accuracy on pictures held out with its 95 % interval; the choice is marked."""
    result = layer_table([row.candidate.name for row in rows], MEASURES)
    for row in rows:
        chosen = row is best
        result.add_row(
            ">" if chosen else "", Text(row.candidate.name), str(row.features), f"{row.penalty:.3g}",
            f"{row.accuracy:.1%}", f"{row.low:.1%} to {row.high:.1%}", f"{row.balanced:.1%}", f"{row.loss:.3f}",
            style="bold" if chosen else None,
        )  # fmt: skip
    return result


def draw(rows: Sequence[TriedCandidate], best: TriedCandidate, path: Path) -> None:
    """Accuracy on pictures held out by layer, with 95 % intervals, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 1.3 + 0.34 * len(rows)), layout="constrained", dpi=120)
    axis = figure.subplots()
    for place, row in enumerate(rows):
        colour = COLOURS[1] if row is best else COLOURS[0]
        axis.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=2.2, alpha=0.55)
        axis.plot([100 * row.accuracy], [place], "o", color=colour, markersize=6)
        axis.annotate(f"{row.accuracy:.1%}", (100 * row.high, place), (6, -3), textcoords="offset points", fontsize=8)
    axis.set_yticks(range(len(rows)), [row.candidate.name for row in rows], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlabel(f"accuracy on held-out pictures, % (95 % interval, {best.held} pictures)", fontsize=9)
    axis.set_title(f"linear classifiers on frozen features: {best.candidate.name} is chosen", fontsize=10)
    axis.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.12)
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png")
