"""The figures of the page of `lungo advise`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffelungo.advising.choice import ContenderRow
from caffelungo.advising.trials import Trial
from caffelungo.evidence.extrapolation import FARTHEST, Extrapolation
from caffelungo.evidence.learning_curve import LearningCurve
from caffelungo.report.curves import COLOURS
from caffelungo.report.figures import Figure

BARS = 40
"""Classes that the figure of counts names."""


def counts(found: dict[str, int]) -> Figure:
    """Pictures per class; of many classes the largest and smallest."""
    names = sorted(found, key=lambda name: -found[name])
    if len(names) > BARS:
        names = [*names[: BARS // 2], *names[-BARS // 2 :]]
    figure = Figure(figsize=(7.5, 0.8 + 0.24 * len(names)), layout="constrained")
    axis = figure.subplots()
    axis.barh(range(len(names)), [found[name] for name in names], color=COLOURS[0], height=0.7)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("pictures", fontsize=9)
    _plain(axis)
    return figure


def layers(rows: Sequence[ContenderRow], chosen: ContenderRow) -> Figure:
    """Cross-validated accuracy of every contender with its interval."""
    names = [f"{row.contender.candidate.name}, {row.contender.read.size} px" for row in rows]
    if len({row.contender.read.net for row in rows}) > 1:
        names = [f"{row.contender.read.net}: {name}" for row, name in zip(rows, names, strict=True)]
    spans = [(row.accuracy, *row.interval) for row in rows]
    picks = [row is chosen for row in rows]
    return _spans(names, spans, picks, "accuracy on held-out pictures, % (95 % interval)")


def trials(found: Sequence[Trial]) -> Figure:
    """By how much fine-tunings differ from the linear classifier."""
    figure = _spans(
        [one.title for one in found], [one.difference for one in found], [False] * len(found),
        "accuracy less that of the linear classifier, points (95 % interval, the same pictures)",
    )  # fmt: skip
    figure.axes[0].axvline(0, color="#888888", linewidth=0.9)
    return figure


def learning_curve(curve: LearningCurve, law: Extrapolation) -> Figure:
    """Accuracy over pictures per class, measured and extended with its band."""
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axis = figure.subplots()
    ahead = np.geomspace(float(curve.sizes[0]), FARTHEST * law.most, 40)
    told = [law.accuracy(float(size)) for size in ahead]
    axis.fill_between(ahead, [100 * one.low for one in told], [100 * one.high for one in told], color=COLOURS[0],
                      alpha=0.18, linewidth=0)  # fmt: skip
    axis.plot(ahead, [100 * one.value for one in told], color=COLOURS[0], linewidth=1.6)
    axis.plot(curve.sizes, 100 * curve.accuracies, "o", color=COLOURS[1], markersize=6)
    axis.axvline(law.most, color="#888888", linewidth=0.9)
    axis.annotate("all pictures", (law.most, axis.get_ylim()[0]), (4, 6), textcoords="offset points", fontsize=8)
    axis.set_xscale("log")
    axis.set_xlabel("pictures per class to learn from", fontsize=9)
    axis.set_ylabel("accuracy, %", fontsize=9)
    _plain(axis)
    return figure


def _spans(
    names: Sequence[str], spans: Sequence[tuple[float, float, float]], picks: Sequence[bool], label: str
) -> Figure:
    figure = Figure(figsize=(7.5, 1.0 + 0.3 * len(names)), layout="constrained")
    axis = figure.subplots()
    for place, ((value, low, high), pick) in enumerate(zip(spans, picks, strict=True)):
        colour = COLOURS[1] if pick else COLOURS[0]
        axis.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2.2, alpha=0.55)
        axis.plot([100 * value], [place], "o", color=colour, markersize=6)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(label, fontsize=9)
    _plain(axis)
    return figure


def _plain(axis: object) -> None:
    axis.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)  # type: ignore[attr-defined]
    axis.spines[["top", "right"]].set_visible(False)  # type: ignore[attr-defined]
