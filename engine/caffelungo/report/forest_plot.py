"""A forest plot: one line per arm, with mean, interval and difference from a reference.

    rows = [Row("fine-tuning", group="all learns", value=Interval(79.6, 76.0, 83.1), reference=True),
            Row("wider", Difference(4.0, 0.8, 7.3), group="all learns", value=Interval(83.6, 80.4, 86.7)),
            Row("deeper", group="all learns", failed="the loss is not finite")]
    draw(rows, Path("intervals.png"), title="ten classes of clothing")

A panel that no row has numbers for is left out. Blue lies above zero, orange below, grey crosses it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from caffelungo.files import written_whole
from caffelungo.report.curves import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOVE, BELOW, CROSSING, PLAIN = COLOURS[0], COLOURS[1], "#7F7F7F", "#333333"
LINE = 0.27
"""Height of a row in inches."""
TALLEST = 200.0
"""Height of the picture in inches from which on it is drawn coarser: pictures of 65,536 pixels cannot be written."""
LONGEST_TITLE, LONGEST_REASON = 64, 46
"""Characters; more are cut off."""


class Span(Protocol):
    """A mean and the interval around it."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class IntervalRow:
    """One line. ``difference`` is to the reference of its ``group``; ``failed`` says why there are no numbers."""

    title: str
    difference: Span | None = None
    group: str = ""
    failed: str | None = None
    value: Span | None = None
    reference: bool = False


def draw(
    rows: Sequence[IntervalRow],
    path: str | Path,
    title: str = "",
    *,
    value: str = "test accuracy, %",
    difference: str = "difference, points",
) -> None:
    """Write the picture of ``rows`` to ``path`` (PNG); rows of one group are together. The others name the axes."""
    drawn = figure(rows, title, value=value, difference=difference)
    dpi = 120 * min(1.0, TALLEST / drawn.get_figheight())
    with written_whole(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a title in a script without a font
        drawn.savefig(temporary, format="png", dpi=dpi)


def figure(
    rows: Sequence[IntervalRow],
    title: str = "",
    *,
    value: str = "test accuracy, %",
    difference: str = "difference, points",
) -> Figure:
    """The picture of ``rows``, as ``draw`` writes it."""
    from matplotlib.figure import Figure

    lines = _lines(rows)
    panels = [(name, kind) for name, kind in ((value, "value"), (difference, "difference")) if _any(rows, kind)]
    panels = panels or [(difference, "difference")]
    height = LINE * max(1, len(lines)) + 0.75 + (0.35 if title else 0)
    result = Figure(figsize=(5.2 + 3.6 * len(panels), height), layout="constrained")
    axes = result.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (name, kind) in zip(axes, panels, strict=True):
        _panel(axis, name, kind, lines, first=axis is axes[0])
    if not rows:
        axes[0].text(
            0.5, 0.5, "nothing to show", transform=axes[0].transAxes, ha="center", va="center", backgroundcolor="white"
        )
    if title:
        result.suptitle(title, fontsize=11)
    return result


def _any(rows: Sequence[IntervalRow], kind: str) -> bool:
    return any(getattr(row, kind) is not None for row in rows)


def _lines(rows: Sequence[IntervalRow]) -> list[IntervalRow | str]:
    """What is on each line: rows, each group under its name; groups in the order of their first rows."""
    order = list(dict.fromkeys(row.group for row in rows))
    lines: list[IntervalRow | str] = []
    for group, members in groupby(sorted(rows, key=lambda row: order.index(row.group)), key=lambda row: row.group):
        lines += [group] if group else []
        lines += members
    return lines


def _panel(axis: Any, name: str, kind: str, lines: Sequence[IntervalRow | str], *, first: bool) -> None:
    axis.set_ylim(max(1, len(lines)) - 0.5, -0.5)
    axis.set_yticks([], [])
    axis.set_xlabel(name, fontsize=9)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    if kind == "difference":
        axis.axvline(0, color="black", linewidth=1)
    for at, line in enumerate(lines):
        if isinstance(line, str):
            axis.axhspan(at - 0.5, at + 0.5, color="#eef1f4", linewidth=0)
            if first:
                _beside(axis, at, line, -0.02, ha="right", weight="bold")
            continue
        if first:
            _beside(axis, at, shortened(line.title, LONGEST_TITLE), -0.02, ha="right")
        _row(axis, at, line, kind, first=first)
    if kind == "value":
        _references(axis, lines)
    _widen(
        axis,
        kind,
        [span for line in lines if isinstance(line, IntervalRow) and (span := getattr(line, kind)) is not None],
    )


def _row(axis: Any, at: int, row: IntervalRow, kind: str, *, first: bool) -> None:
    span: Span | None = getattr(row, kind)
    if row.failed is not None:
        text = f"failed: {shortened(row.failed, LONGEST_REASON)}" if row.failed and first else "failed"
        # Over the middle of the panel, so that it is not taken for a point on the axis.
        axis.text(
            0.5, at, text, transform=axis.get_yaxis_transform(), ha="center", va="center", fontsize=8, style="italic",
            color=BELOW, parse_math=False, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        return
    if span is None:
        _beside(axis, at, "reference" if row.reference else "not compared", 1.02, ha="left", color=CROSSING)
        return
    colour = _colour(span) if kind == "difference" else PLAIN
    axis.plot([span.low, span.high], [at, at], color=colour, linewidth=2, solid_capstyle="butt")
    axis.plot([span.mean], [at], marker="s", color=colour, markersize=5.5)
    sign = "+" if kind == "difference" else ""
    text = f"{span.mean:{sign}.1f} [{span.low:{sign}.1f}, {span.high:{sign}.1f}]"
    _beside(axis, at, text, 1.02, ha="left", color=colour, weight="normal" if colour in (CROSSING, PLAIN) else "bold")


def _references(axis: Any, lines: Sequence[IntervalRow | str]) -> None:
    """A dashed line at each group's reference, along its group."""
    rows = [(at, line) for at, line in enumerate(lines) if isinstance(line, IntervalRow)]
    for reference in (line for _, line in rows if line.reference):
        if reference.value is not None:
            places = [at for at, line in rows if line.group == reference.group]
            xs, ys = [reference.value.mean] * 2, [places[0] - 0.4, places[-1] + 0.4]
            axis.plot(xs, ys, color=CROSSING, linewidth=1, linestyle="--", zorder=1)


def _widen(axis: Any, kind: str, spans: Sequence[Span]) -> None:
    """Limits around all intervals; differences show zero, whatever they are."""
    ends = [end for span in spans for end in (span.low, span.high, span.mean)] + [0.0] * (kind == "difference")
    if not ends:
        ends = [0.0, 1.0]
    margin = max(0.06 * (max(ends) - min(ends)), 0.5)
    axis.set_xlim(min(ends) - margin, max(ends) + margin)


def _beside(axis: Any, at: int, text: str, x: float, **style: Any) -> None:
    """Text at line ``at``, beside the panel. A user's words are no formulas."""
    axis.text(
        x, at, text, transform=axis.get_yaxis_transform(), va="center", fontsize=9 if x < 0 else 8, parse_math=False,
        **style,
    )  # fmt: skip


def _colour(span: Span) -> str:
    return ABOVE if span.low > 0 else BELOW if span.high < 0 else CROSSING


def shortened(text: str, length: int) -> str:
    """The first line of ``text``, cut off with an ellipsis beyond ``length`` characters."""
    line = (text.strip().splitlines() or [""])[0]
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
