"""The learning curves of a run as a picture: loss, accuracy and learning rate over the iterations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo.report.classification_score import is_share
from caffelungo.report.metrics_csv import Point

if TYPE_CHECKING:
    from caffelungo.report.figures import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
"""Okabe and Ito's palette: apart for colour-blind readers too."""


def draw(points: Sequence[Point], path: Path, title: str = "") -> None:
    """Write the curves of ``points`` to ``path`` (PNG). Does nothing when there is no point."""
    if points:
        figure(points, title).write(path)


def figure(points: Sequence[Point], title: str = "") -> Figure:
    """The curves of ``points``, one panel each for losses, accuracies and the learning rate, where there are any."""
    from caffelungo.report.figures import Figure

    series = _series(points)
    rate = {key: xy for key, xy in series.items() if key[2] == "lr"}
    shares = {key: xy for key, xy in series.items() if _is_share(key, xy)}
    losses = {key: xy for key, xy in series.items() if key not in rate and key not in shares}
    panels = [(name, data) for name, data in (("loss", losses), ("accuracy", shares), ("learning rate", rate)) if data]
    heights = [1 if name == "learning rate" else 3 for name, _ in panels] or [1]
    made = Figure(figsize=(8, 1.2 + 0.95 * sum(heights)), layout="constrained", dpi=120)
    shares_of_height = {"height_ratios": heights}
    axes = made.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw=shares_of_height)[:, 0]
    for axis, (name, data) in zip(axes, panels, strict=False):
        _panel(axis, name, data)
    axes[-1].set_xlabel("iteration")
    if title:
        made.suptitle(title, fontsize=11)
    return made


Key = tuple[str, int, str]


def _series(points: Sequence[Point]) -> dict[Key, tuple[list[int], list[float]]]:
    series: dict[Key, tuple[list[int], list[float]]] = {}
    for point in points:
        xs, ys = series.setdefault((point.phase, point.net, point.name), ([], []))
        xs.append(point.iteration)
        ys.append(point.value)
    return series


def _is_share(key: Key, xy: tuple[list[int], list[float]]) -> bool:
    return is_share(key[2], *xy[1])


def _panel(axis: Any, name: str, data: dict[Key, tuple[list[int], list[float]]]) -> None:
    nets = {net for phase, net, _ in data if phase == "test"}
    for index, ((phase, net, blob), (xs, ys)) in enumerate(sorted(data.items())):
        colour = COLOURS[index % len(COLOURS)]
        label = blob if name == "learning rate" else f"{phase} {blob}" + (f" (net #{net})" if len(nets) > 1 else "")
        marker = "o" if phase == "test" or len(xs) == 1 else None
        axis.plot(
            xs, ys, color=colour, label=label, marker=marker, markersize=3.5,
            linewidth=1.8 if phase == "test" else 1.2, alpha=1 if phase == "test" else 0.85,
            drawstyle="steps-post" if name == "learning rate" else "default",
        )  # fmt: skip
    axis.set_ylabel(name)
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    positive = [y for _, ys in data.values() for y in ys if y > 0]
    if name != "accuracy" and positive and max(positive) / min(positive) > 50:
        axis.set_yscale("log")
    elif name == "learning rate":
        axis.set_ylim(bottom=0)
    if name == "accuracy":
        axis.set_ylim(-0.02, 1.02)
    if name != "learning rate":
        axis.legend(frameon=False, fontsize=8, loc="best")
