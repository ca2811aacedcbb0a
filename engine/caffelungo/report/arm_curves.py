"""Learning curves of several runs side by side: test accuracy and loss over the iterations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from caffelungo.files import written_whole
from caffelungo.report.curves import COLOURS
from caffelungo.report.metrics_csv import Point

PANELS = (("test", "accuracy"), ("test", "loss"), ("train", "loss"))


def draw(runs: Sequence[tuple[str, Sequence[Point]]], path: Path, title: str = "") -> None:
    """Write the curves of ``runs`` (a title and its points each) to ``path`` (PNG)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.9), layout="constrained", dpi=120)
    axes = figure.subplots(1, len(PANELS))
    for axis, (phase, name) in zip(axes, PANELS, strict=True):
        for index, (label, points) in enumerate(runs):
            chosen = [point for point in points if (point.phase, point.name) == (phase, name)]
            marker = "o" if phase == "test" else None
            xs, ys = [point.iteration for point in chosen], [point.value for point in chosen]
            axis.plot(xs, ys, color=COLOURS[index % len(COLOURS)], marker=marker, markersize=3.5, label=label)
        axis.set_title(f"{'validation' if phase == 'test' else 'training'} {name}", fontsize=10)
        axis.set_xlabel("iteration")
        axis.grid(visible=True, color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(bottom=0, top=1.02 if name == "accuracy" else None)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png")
