"""The figures of `lungo inspect`: curves of groups, CKA over the layers, filters, maps of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.report.curves import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.floating]
NAMED = 45
"""Up to so many layers are named under the curve."""
LEGEND = 20
"""Up to so many classes are in a map's legend."""


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=110)


def _plain(axis: Any) -> None:
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each group: old blue, new orange, all of them together black."""
    found: dict[str, str] = {}
    rest = [colour for colour in COLOURS if colour not in (COLOURS[0], COLOURS[1], "#000000")]
    for name in names:
        if name.startswith("all"):
            found[name] = "#000000"
        elif name.startswith("old") and COLOURS[0] not in found.values():
            found[name] = COLOURS[0]
        elif name.startswith("new") and COLOURS[1] not in found.values():
            found[name] = COLOURS[1]
        else:
            found[name] = rest[len(found) % len(rest)]
    return found


def group_curves(
    curves: Mapping[str, tuple[Sequence[int], Sequence[tuple[float, float, float]]]], chance: float | None = None
) -> Figure:
    """Accuracy with each group of units alone over the iterations: (share, low, high) at each snapshot."""
    figure = _figure(8.2, 4)
    axis: Any = figure.subplots()
    colours = colours_of(list(curves))
    for name, (iterations, points) in curves.items():
        share, low, high = (np.array(each) for each in zip(*points, strict=True))
        axis.fill_between(iterations, low, high, color=colours[name], alpha=0.1, linewidth=0)
        axis.plot(iterations, share, color=colours[name], marker="o", markersize=4, label=name)
    lasts = {name: (iterations[-1], points[-1][0]) for name, (iterations, points) in curves.items()}
    heights = apart([share for _, share in lasts.values()], 0.05)
    for (name, (iteration, last)), height in zip(lasts.items(), heights, strict=True):
        axis.annotate(
            f"{last:.1%}", (iteration, height), xytext=(7, 0), textcoords="offset points", va="center",
            color=colours[name], fontsize=9, annotation_clip=False,
        )  # fmt: skip
    if chance is not None:
        axis.axhline(chance, color="#888888", linewidth=0.9, linestyle=":", label=f"chance ({chance:.1%})")
    _plain(axis)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("iteration")
    axis.set_ylabel("accuracy")
    axis.legend(frameon=False, fontsize=9, loc="best")
    return figure


def apart(values: Sequence[float], gap: float) -> list[float]:
    """``values`` moved upwards as little as it takes for any two to be ``gap`` apart; their order is kept."""
    moved = list(values)
    least = -math.inf
    for place in sorted(range(len(moved)), key=lambda one: values[one]):
        moved[place] = max(moved[place], least + gap)
        least = moved[place]
    return moved


def layer_curve(names: Sequence[str], cka: Floats, change: Floats) -> Figure:
    """Similarity to the pre-trained net, and the change of the weights, layer by layer from the input up."""
    figure = _figure(max(7.0, min(14.0, 0.34 * len(names) + 2)), 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    places = np.arange(len(names))
    above.plot(places, cka, color=COLOURS[0], marker="o", markersize=4)
    above.set_ylabel("CKA")
    finite = cka[np.isfinite(cka)]
    above.set_ylim(min(0.0, float(finite.min()) - 0.05) if len(finite) else 0.0, 1.04)
    below.bar(places, np.nan_to_num(change), color=COLOURS[1], width=0.7)
    below.set_ylabel("weight change")
    for axis in (above, below):
        _plain(axis)
    if len(names) <= NAMED:
        below.set_xticks(places, names, rotation=60, ha="right", fontsize=8, rotation_mode="anchor")
    else:
        step = math.ceil(len(names) / NAMED)
        below.set_xticks(places[::step], names[::step], rotation=60, ha="right", fontsize=7, rotation_mode="anchor")
    return figure


def filters(after: Floats, before: Floats | None) -> Figure:
    """First-layer filters on one scale, and where there are old ones their difference, on a separate scale."""
    panels: list[tuple[str, Floats, float]] = []
    most = max(float(np.abs(each).max()) for each in (after, before) if each is not None)
    if before is not None:
        change = after - before
        largest = float(np.abs(change).max())
        times = f"{most / largest:.0f} times enlarged" if largest else "none"
        panels += [("before", before, most), ("after", after, most), (f"change ({times})", change, largest)]
    else:
        panels.append(("after", after, most))
    columns = math.ceil(math.sqrt(len(after)))
    figure = _figure(min(11.0, 3.6 * len(panels)), 4.0)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    for axis, (name, values, scale) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axis.imshow(tiled(values, scale, columns), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(name, fontsize=10)
        axis.axis("off")
    return figure


def tiled(values: Floats, scale: float, columns: int) -> Floats:
    """N x H x W (x 3) filters as one picture, ``columns`` a row: 0 is grey, ``scale`` white."""
    count, height, width = values.shape[:3]
    rows = math.ceil(count / columns)
    sheet = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, *values.shape[3:]))
    for place in range(count):
        row, column = divmod(place, columns)
        tile = 0.5 + values[place] / (2 * scale) if scale else np.full(values.shape[1:], 0.5)
        sheet[row * (height + 1) :, column * (width + 1) :][:height, :width] = tile
    return sheet


def maps(panels: Sequence[tuple[str, Floats, str]], labels: NDArray[np.int64], names: Sequence[str]) -> Figure:
    """Points on planes, coloured by class: (title, samples x 2, a line below) for each panel."""
    shown = sorted(set(labels.tolist()))
    count = len(panels)
    across = count if count <= 3 else 2
    down = math.ceil(count / across)
    figure = _figure(min(12.0, 4.0 * across), 3.7 * down + (0.6 if len(shown) <= LEGEND else 0))
    axes = figure.subplots(down, across, squeeze=False)
    for axis in axes.flat[count:]:
        axis.axis("off")
    for axis, (title, points, below) in zip(axes.flat, panels, strict=False):
        for order, label in enumerate(shown):
            mine = labels == label
            axis.scatter(
                points[mine, 0], points[mine, 1], s=26, linewidths=0.3, edgecolors="white", label=names[label],
                **_look(order, len(shown)),
            )  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(below, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color("#cccccc")
    if len(shown) <= LEGEND:
        handles, texts = axes.flat[0].get_legend_handles_labels()
        figure.legend(
            handles, [text.replace("$", r"\$") for text in texts], loc="outside lower center",
            ncols=min(len(shown), 7), frameon=False, fontsize=9, markerscale=1.6,
        )  # fmt: skip
    return figure


def _look(order: int, count: int) -> dict[str, Any]:
    """Colour and shape of a class: apart for colour-blind readers while there are few."""
    import matplotlib

    if count <= LEGEND:
        marks = "o^sDvP"
        return {"color": COLOURS[order % 7], "marker": marks[order // 7 % len(marks)]}
    return {"color": matplotlib.colormaps["turbo"](order / max(count - 1, 1)), "marker": "o"}
