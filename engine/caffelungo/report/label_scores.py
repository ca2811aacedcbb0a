"""How well a net tells several labels over a whole test set: each label, and all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo import tabular
from caffelungo.files import write_text
from caffelungo.layers import label_measures
from caffelungo.report.class_table import SHOWN, share
from caffelungo.wording import counted, listed

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

TABLE = "labels.csv"
HEADER = ("label", "positives", "known", "average_precision", "threshold", "precision", "recall", "f1")


@dataclass(frozen=True)
class LabelScore:
    """One label: how many samples have it (``positives``) of those of which it is ``known``, its average precision, and
    precision, recall and F1 at its ``threshold``; NaN where there is nothing to divide by."""

    name: str
    positives: int
    known: int
    average_precision: float
    threshold: float
    precision: float
    recall: float
    f1: float

    def row(self) -> dict[str, Any]:
        """By the columns of HEADER."""
        return {name: getattr(self, "name" if name == HEADER[0] else name) for name in HEADER}


@dataclass(frozen=True)
class LabelScores:
    """Every label in the order of the net's outputs; micro F1 is that of all decisions together.

    Means over labels leave out those without a positive sample.
    """

    labels: tuple[LabelScore, ...]
    micro_f1: float

    @property
    def mean_average_precision(self) -> float:
        return _mean([one.average_precision for one in self.labels])

    @property
    def macro_f1(self) -> float:
        return _mean([one.f1 for one in self.labels if one.positives])

    @property
    def absent(self) -> list[str]:
        """The labels without a positive sample, which no mean over labels contains."""
        return [one.name for one in self.labels if not one.positives]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "mean_average_precision": self.mean_average_precision, "micro_f1": self.micro_f1, "macro_f1": self.macro_f1,
            "absent": self.absent, "labels": [one.row() for one in self.labels],
        }  # fmt: skip

    def named(self, names: Sequence[str]) -> LabelScores:
        """The same under ``names``, where there is one for each label."""
        if len(names) != len(self.labels):
            return self
        return replace(
            self, labels=tuple(replace(one, name=name) for one, name in zip(self.labels, names, strict=True))
        )


def label_scores(scores: Tensor, targets: Tensor, thresholds: Sequence[float]) -> LabelScores:
    """The scores of N x K ``scores`` (before the Sigmoid) and targets; labels are numbered.

    ``thresholds``: one per label, or one for all.
    """
    each = list(thresholds) if len(thresholds) > 1 else list(thresholds) * scores.shape[1]
    counts = label_measures.f1_counts(scores.sigmoid() >= scores.new_tensor(each), targets)
    ap = label_measures.average_precision(scores, targets).tolist()
    known = (targets >= 0).sum(0).tolist()
    found = [
        LabelScore(str(k), right + missed, known[k], ap[k], each[k], _ratio(right, right + wrong),
                   _ratio(right, right + missed), _ratio(2 * right, 2 * right + wrong + missed))
        for k, (right, wrong, missed) in enumerate(zip(*counts.tolist(), strict=True))
    ]  # fmt: skip
    return LabelScores(tuple(found), float(label_measures.micro_f1(counts)))


def lines(found: LabelScores) -> Iterator[str]:
    """What is said of all labels, for people."""
    left_out = f"; no positive picture of {listed(found.absent)}" if found.absent else ""
    yield (
        f"mAP {found.mean_average_precision:.1%}, micro F1 {found.micro_f1:.1%}, macro F1 {found.macro_f1:.1%}, means "
        f"over {counted(len(found.labels) - len(found.absent), 'label')}{left_out}"
    )


def print_labels(found: LabelScores, console: Console) -> None:
    """A table of the labels, or of the worst where there are many."""
    from rich.table import Table

    shown = list(found.labels)
    if len(shown) > SHOWN:
        shown = sorted((one for one in shown if one.positives), key=lambda one: one.average_precision)[:SHOWN]
        console.print(f"the {SHOWN} of {counted(len(found.labels), 'label')} with the lowest average precision:")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("label")
    for name in ("positives", "average precision", "threshold", "precision", "recall", "F1"):
        table.add_column(name, justify="right")
    for one in shown:
        shares = (one.precision, one.recall, one.f1)
        table.add_row(
            one.name, str(one.positives), share(one.average_precision), f"{one.threshold:.2f}", *map(share, shares)
        )
    console.print(table)


def write(found: LabelScores, folder: Path) -> Path:
    """Write the table of the labels as CSV into ``folder``; its path."""
    path = folder / TABLE
    write_text(path, tabular.as_text(HEADER, (tuple(one.row().values()) for one in found.labels)))
    return path


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: Sequence[float]) -> float:
    kept = [value for value in values if not math.isnan(value)]
    return sum(kept) / len(kept) if kept else 0.0
