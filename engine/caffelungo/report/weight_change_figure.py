"""What training changed, as a picture: a bar per layer, or a line per layer over snapshots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffelungo.weights.compare_weights import iteration
from caffelungo.weights.weight_changes import LayerChange, WeightChanges
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.report.figures import Figure


LEARNED, STATISTICS, NEW, GONE, BROKEN = "#6BAED6", "#C5B0D5", "#E69F00", "#999999", "#D55E00"
ROWS = 64
"""Up to so many layers are rows of a picture; more are columns."""
LABELLED = 12
"""Lines of layers that are named at their ends; of more, those that change most."""


def picture(differences: Sequence[WeightChanges], path: str | Path) -> None:
    """Draw two files as bars, several as lines."""
    figure(differences).write(path)


def figure(differences: Sequence[WeightChanges]) -> Figure:
    """The picture that ``picture`` writes."""
    if len(differences) == 1:
        return bars(differences[0])
    return lines_over_time(differences, [iteration(found.after) for found in differences])


def draw(found: WeightChanges, path: str | Path) -> None:
    """``bars``, written to ``path`` (PNG or what its suffix says)."""
    bars(found).write(path)


def bars(found: WeightChanges) -> Figure:
    """A bar per layer, from the data to the answers: its relative change, and that of its units as a line from the
    10th to the 90th percentile with a dot at the median.

    Up to ``ROWS`` layers are rows with their names; more are side by side, so that one look takes them all in.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from caffelungo.report.figures import Figure

    layers = found.layers
    values = [value for layer in layers for value in (layer.relative, *_spread(layer)) if 0 < value < math.inf]
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    log = high / low > 30
    floor = 10 ** (math.floor(math.log10(max(low, high * 1e-6)) * 2) / 2 - 0.15) if log else 0.0
    limits = (floor, high * (1.6 if log else 1.08))
    rows = len(layers) <= ROWS
    names = max((len(layer.name) for layer in layers), default=8) * 0.075
    if rows:
        made = Figure(figsize=(7 + names, 1.6 + 0.21 * len(layers)), layout="constrained", dpi=120)
    else:
        made = Figure(figsize=(min(24.0, 3 + 0.075 * len(layers)), 4.6 + names), layout="constrained", dpi=110)
    axis: Any = made.subplots()
    for position, layer in enumerate(layers):
        _bar(axis, position, layer, floor, rows)
    (_as_rows if rows else _as_columns)(axis, layers, limits, log)
    axis.set_axisbelow(True)
    made.suptitle(_title(found.before, found.after, int(12 * made.get_figwidth())), fontsize=10)
    keys: list[Any] = [Patch(color=LEARNED, label="weights")]
    if any(layer.statistics for layer in layers):
        keys.append(Patch(color=STATISTICS, label="BatchNorm statistics"))
    keys.append(Line2D([], [], color="black", marker="o", markersize=3, linewidth=1, label="its units: 10 to 90 %"))
    if found.named("new"):
        keys.append(Patch(color=NEW, alpha=0.35, label="new"))
    if not rows:
        if any(layer.broken for layer in layers):
            keys.append(Patch(color=BROKEN, alpha=0.6, label="NaN or infinite"))
        keys.append(Line2D([], [], linewidth=0, label="no bar: unchanged, or gone"))
    made.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)
    return made


LABEL = "relative change  ‖W − W₀‖ / ‖W₀‖"


def _as_rows(axis: Any, layers: Sequence[LayerChange], limits: tuple[float, float], log: bool) -> None:
    if log:
        axis.set_xscale("log")
    axis.set_xlim(*limits)
    axis.set_ylim(len(layers) - 0.4, -0.6)
    axis.set_yticks(range(len(layers)), [layer.name for layer in layers], fontsize=7.5)
    for label, layer in zip(axis.get_yticklabels(), layers, strict=True):
        label.set_color(_name_colour(layer))
    axis.set_xlabel(LABEL)
    axis.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _as_columns(axis: Any, layers: Sequence[LayerChange], limits: tuple[float, float], log: bool) -> None:
    """Side by side; so many are named as there is room for, those that are new or broken first."""
    if log:
        axis.set_yscale("log")
    axis.set_ylim(*limits)
    axis.set_xlim(-0.8, len(layers) - 0.2)
    step = math.ceil(len(layers) / 90)
    special = {k for k, layer in enumerate(layers) if layer.status == "new" or layer.broken}
    shown = [k for k in range(len(layers)) if k in special or (k % step == 0 and not special & {k - 1, k + 1})]
    axis.set_xticks(shown, [layers[k].name for k in shown], fontsize=6, rotation=90)
    for label, k in zip(axis.get_xticklabels(), shown, strict=True):
        label.set_color(_name_colour(layers[k]))
    axis.set_ylabel(LABEL)
    axis.grid(visible=True, axis="y", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _name_colour(layer: LayerChange) -> str:
    return BROKEN if layer.broken else {"new": "#B07400", "gone": GONE}.get(layer.status, "black")


def _title(before: str, after: str, most: int) -> str:
    """Both files' names, on two lines where one is too short for them."""
    names = [Path(before).name, Path(after).name]
    return "  →  ".join(names) if sum(map(len, names)) + 5 <= most else "\n→ ".join(names)


def _spread(layer: LayerChange) -> list[float]:
    """10th, 50th and 90th percentile of the relative changes of the units of the first blob; none when few."""
    blob = next((blob for blob in layer.blobs if len(blob.finite) > 1), None)
    return [] if blob is None else np.percentile(blob.finite, [10, 50, 90]).tolist()


def _bar(axis: Any, position: int, layer: LayerChange, floor: float, rows: bool) -> None:
    band = axis.axhspan if rows else axis.axvspan
    if layer.status == "new":
        band(position - 0.42, position + 0.42, color=NEW, alpha=0.35, linewidth=0)
    elif layer.broken and not rows:
        band(position - 0.42, position + 0.42, color=BROKEN, alpha=0.6, linewidth=0)
    drawn = 0 < layer.relative < math.inf and not layer.broken
    if rows and (label := _label(layer)):
        axis.text(0.01, position, label, transform=axis.get_yaxis_transform(), va="center", fontsize=6.5,
                  color=BROKEN if layer.broken else "#666666")  # fmt: skip
    if not drawn:
        return
    colour = STATISTICS if layer.statistics else LEARNED
    length = layer.relative - floor
    if rows:
        axis.barh(position, length, left=floor, height=0.72, color=colour)
    else:
        axis.bar(position, length, bottom=floor, width=0.8, color=colour)
    if spread := _spread(layer):
        low, middle, top = (max(value, floor) for value in spread)
        line, dot = ([low, top], [position, position]), ([middle], [position])
        axis.plot(*(line if rows else line[::-1]), color="black", linewidth=1 if rows else 0.7)
        axis.plot(*(dot if rows else dot[::-1]), color="black", marker="o", markersize=2.6 if rows else 1.6)
    if layer.status == "shared part" and rows:
        axis.text(max([layer.relative, *spread]) * 1.04, position, " grown: old part", va="center", fontsize=6.5,
                  color="#B07400")  # fmt: skip


def _label(layer: LayerChange) -> str:
    """What is written instead of a bar."""
    if layer.broken:
        return "NaN or infinite values"
    if math.isinf(layer.relative):
        return "was zero"
    if layer.relative == 0:
        return "unchanged: the old part of what was grown" if layer.status == "shared part" else "unchanged"
    return {"new": "new", "gone": "gone", "not comparable": "another shape"}.get(layer.status, "")


def lines_over_time(differences: Sequence[WeightChanges], times: Sequence[int | None]) -> Figure:
    """A line per layer: its relative change since the first file, over the snapshots; colours from the data (dark) to
    the answers (light), BatchNorm's statistics dashed."""
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    from caffelungo.report.figures import Figure

    tables = [{layer.name: layer.relative for layer in found.layers} for found in differences]
    names = list(dict.fromkeys(name for table in tables for name in table))
    lines = {name: [table.get(name, math.nan) for table in tables] for name in names}
    lines = {name: ys for name, ys in lines.items() if any(0 < y < math.inf for y in ys)}
    statistics = {layer.name for found in differences for layer in found.layers if layer.statistics}
    known = [time for time in times if time is not None]
    xs = known if len(known) == len(times) else list(range(1, len(times) + 1))
    made = Figure(figsize=(9, 5.6), layout="constrained", dpi=120)
    axis: Any = made.subplots()
    named = sorted(lines, key=lambda name: -lines[name][-1] if lines[name][-1] < math.inf else 0)[:LABELLED]
    for position, (name, ys) in enumerate(lines.items()):
        colour = colormaps["viridis"](0.88 * position / max(1, len(lines) - 1))
        axis.plot(xs, ys, color=colour, linewidth=1.8 if name in named else 0.9, alpha=1 if name in named else 0.7,
                  linestyle="--" if name in statistics else "-", marker="o", markersize=2.5)  # fmt: skip
    values = [y for ys in lines.values() for y in ys if 0 < y < math.inf]
    log = bool(values) and max(values) / min(values) > 30
    if log:
        axis.set_yscale("log")
    else:
        axis.set_ylim(bottom=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("iteration" if len(known) == len(times) else "file")
    axis.set_ylabel("relative change since the first file")
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlim(xs[0] if len(xs) > 1 else None, xs[-1] + 0.001)
    _name_ends(made, axis, {name: lines[name][-1] for name in named}, list(lines), xs[-1], log)
    unchanged = len(names) - len(lines)
    more = f"; {counted(unchanged, 'layer')} unchanged, new or gone" if unchanged else ""
    axis.set_title(
        f"{Path(differences[0].before).name} and its changes ({counted(len(lines), 'layer')}{more})", fontsize=10
    )
    return made


def _name_ends(figure: Any, axis: Any, ends: dict[str, float], order: Sequence[str], x: float, log: bool) -> None:
    """Names beside the ends of lines, moved apart where they would lie on each other."""
    from matplotlib import colormaps

    figure.draw_without_rendering()
    low, high = axis.get_ylim()

    def share(value: float) -> float:
        if log:
            return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        return (value - low) / (high - low)

    wanted = sorted(((share(y), name) for name, y in ends.items() if 0 < y < math.inf), reverse=True)
    taken = 1.08
    places: list[tuple[float, float, str]] = []
    for y, name in wanted:
        taken = min(y, taken - 0.042)
        places.append((y, taken, name))
    lowest = min((at for _, at, _ in places), default=0.0)
    for y, at, name in places:
        colour = colormaps["viridis"](0.88 * order.index(name) / max(1, len(order) - 1))
        axis.annotate(
            name, xy=(1.0, y), xytext=(1.03, at - min(0.0, lowest)), xycoords="axes fraction",
            textcoords="axes fraction", va="center", fontsize=8, color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0,
                        "relpos": (0, 0.5)},
        )  # fmt: skip
