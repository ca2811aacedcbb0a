"""The confusion matrix as a picture and as CSV; the per-class table, and each picture's answer, as CSV; the summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo import tabular
from caffelungo.files import write_text, written_whole
from caffelungo.report.classification_score import Classified

NUMBERED = 25
"""Up to so many classes, each cell shows its count and each axis all names."""


def write(found: Classified, folder: Path, pictures: Sequence[str] = (), title: str = "") -> list[Path]:
    """Write confusion.png, confusion.csv, classes.csv and summary.json into ``folder``; returns their paths.

    Where the answer to each sample is known, answers.csv has them; ``pictures`` are the samples' names, where known.
    ``title``: the classifier's, where there are several.
    """
    picture, matrix, classes = folder / "confusion.png", folder / "confusion.csv", folder / "classes.csv"
    summary = folder / "summary.json"
    rows = [["true \\ predicted", *found.names]]
    rows += [[name, *map(str, row)] for name, row in zip(found.names, found.confusion.tolist(), strict=True)]
    _csv(matrix, rows)
    head = ["class", "samples", "right", "recall", "precision"]
    _csv(classes, [head, *([name, *map(str, rest)] for name, *rest in found.per_class())])
    draw(found, picture, title)
    low, high = found.interval
    counts = {"samples": found.samples, "right": found.right, "accuracy": found.accuracy, "low": low, "high": high}
    counts |= {"balanced_accuracy": found.balanced_accuracy, "macro_f1": found.macro_f1}
    write_text(summary, json.dumps({**counts, "top5": found.top}, indent=2) + "\n")
    if found.answers is None:
        return [picture, matrix, classes, summary]
    answers = folder / "answers.csv"
    names = list(pictures) if len(pictures) == len(found.answers) else list(map(str, range(len(found.answers))))
    lines = [
        [name, found.names[true], found.names[answer]]
        for name, (true, answer) in zip(names, found.answers.tolist(), strict=True)
    ]
    _csv(answers, [["picture", "class", "answer"], *lines])
    return [picture, matrix, classes, summary, answers]


def _csv(path: Path, rows: list[list[str]]) -> None:
    with tabular.written(path) as writer:
        writer.rows(rows)


def draw(found: Classified, path: Path, title: str = "") -> None:
    """The matrix as shares of each true class, PNG."""
    from matplotlib.figure import Figure

    count = len(found.names)
    shares = found.confusion / np.maximum(found.confusion.sum(1, keepdims=True), 1)
    side = min(14.0, max(4.5, 0.5 * count + 2))
    figure = Figure(figsize=(side, side * 0.92), layout="constrained", dpi=120)
    axis: Any = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if count <= NUMBERED:
        for (row, column), value in np.ndenumerate(found.confusion):
            if value:
                colour = "white" if shares[row, column] > 0.5 else "#222222"
                axis.text(column, row, str(value), ha="center", va="center", color=colour, fontsize=8)
        axis.set_xticks(range(count), found.names, **_slant(found.names), fontsize=8)
        axis.set_yticks(range(count), found.names, fontsize=8)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true class")
    low, high = found.interval
    axis.set_title(
        f"{title}{': ' if title else ''}{found.right} of {found.samples} right: {found.accuracy:.1%} "
        f"({low:.1%} to {high:.1%})",
        fontsize=10,
    )
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure.colorbar(image, ax=axis, shrink=0.7, label="share of the true class")
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png")


def _slant(names: Sequence[str]) -> dict[str, Any]:
    """Long names are slanted, so that they do not run into each other."""
    return {} if max(map(len, names), default=0) <= 3 else {"rotation": 45, "ha": "right"}
