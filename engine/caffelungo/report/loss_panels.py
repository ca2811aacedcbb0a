"""Training losses of several runs side by side, a panel per group: whether they had come to rest when they ended.

For each run its points are means over a part of its training, so that long and short ones can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffelungo.report.curves import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Run:
    """The losses of ``title``, (percent of the training done, loss) each, in the panel ``group``."""

    title: str
    group: str
    points: Sequence[tuple[float, float]]


def figure(runs: Sequence[Run]) -> Figure:
    """A panel for each group; a title has one colour in all, and beyond the colours dashes."""
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys(run.group for run in runs))
    titles = list(dict.fromkeys(run.title for run in runs))
    made = Figure(figsize=(5.5 * max(1, len(groups)), 3.6 + 0.2 * (len(titles) // 3)), layout="constrained")
    for axis, group in zip(made.subplots(1, max(1, len(groups)), squeeze=False)[0], groups, strict=False):
        for run in (run for run in runs if run.group == group):
            turn, colour = divmod(titles.index(run.title), len(COLOURS))
            xs, ys = [at for at, _ in run.points], [loss for _, loss in run.points]
            axis.plot(xs, ys, color=COLOURS[colour], linestyle=("-", "--", ":")[turn % 3], linewidth=1.3)
        axis.set_title(group, fontsize=10)
        axis.set_xlabel("share of the training, %", fontsize=9)
        axis.set_ylabel("training loss", fontsize=9)
        axis.set_xlim(0, 100)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=8)
        axis.grid(visible=True, color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    handles = [
        made.axes[0].plot([], [], color=COLOURS[k % len(COLOURS)], linestyle=("-", "--", ":")[k // len(COLOURS) % 3])[0]
        for k in range(len(titles))
        if made.axes
    ]
    if handles:
        made.legend(handles, titles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return made
