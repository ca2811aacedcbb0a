"""How near a net's numbers are to the true ones over a whole test set: each number, in its own unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import tabular
from caffelungo.files import write_text

if TYPE_CHECKING:
    from rich.console import Console

TABLE, EACH = "numbers.csv", "predicted_numbers.csv"


@dataclass(frozen=True)
class NumberScore:
    """One number: mean absolute error and root mean squared error in its ``unit``, R2 against always answering the
    mean, and Spearman's rank correlation (NaN where all are equal)."""

    name: str
    unit: str
    mae: float
    rmse: float
    r2: float
    spearman: float

    @property
    def title(self) -> str:
        """For people: with its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class NumberScores:
    """Every number in the order of the net's outputs. ``predicted`` and ``targets`` are N x K, in the data's order."""

    numbers: tuple[NumberScore, ...]
    predicted: NDArray[np.float64]
    targets: NDArray[np.float64]

    def plain(self) -> list[dict[str, Any]]:
        """As JSON; null where there is no rank correlation."""
        return [
            {
                key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in asdict(one).items()
            }
            for one in self.numbers
        ]

    def named(self, names: Sequence[tuple[str, str]]) -> NumberScores:
        """The same under ``names`` (with units), where there is one for each number."""
        if len(names) != len(self.numbers):
            return self
        pairs = zip(self.numbers, names, strict=True)
        return replace(self, numbers=tuple(replace(one, name=name, unit=unit) for one, (name, unit) in pairs))


def number_scores(
    predicted: NDArray[np.float64], targets: NDArray[np.float64], measures: Sequence[Sequence[float]]
) -> NumberScores:
    """The scores of N x K ``predicted`` numbers; they are numbered. ``measures``: MAE, RMSE and R2 of each."""
    columns = zip(predicted.T, targets.T, *measures, strict=True)
    found = tuple(
        NumberScore(str(k), "", float(mae), float(rmse), float(r2), spearman(guesses, truth))
        for k, (guesses, truth, mae, rmse, r2) in enumerate(columns)
    )
    return NumberScores(found, predicted, targets)


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The correlation of the ranks of N numbers, equal ones sharing the mean of theirs; NaN where all are equal."""
    ranks = [_ranks(one) - (len(one) + 1) / 2 for one in (first, second)]
    lengths = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1]) / lengths if lengths else math.nan


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; the mean of those that equal values would have."""
    _, place, often = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(often)
    ranks: NDArray[np.float64] = (last - (often - 1) / 2)[place]
    return ranks


def print_numbers(found: NumberScores, console: Console) -> None:
    """A table of the numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("number")
    for name in ("MAE", "RMSE", "R2", "Spearman"):
        table.add_column(name, justify="right")
    for one in found.numbers:
        rank = "" if math.isnan(one.spearman) else f"{one.spearman:.3f}"
        table.add_row(one.title, f"{one.mae:.4g}", f"{one.rmse:.4g}", f"{one.r2:.3f}", rank)
    console.print(table)


def write(found: NumberScores, folder: Path, pictures: Sequence[str]) -> list[Path]:
    """Write the scores, and what was predicted for each picture beside the truth, as CSV into ``folder``."""
    scores, each = folder / TABLE, folder / EACH
    rows = [tuple(one.values()) for one in found.plain()]
    write_text(scores, tabular.as_text(("number", "unit", "mae", "rmse", "r2", "spearman"), rows))
    names = list(pictures) if len(pictures) == len(found.predicted) else [str(k) for k in range(len(found.predicted))]
    header = ("picture", *(f"{one.name}{end}" for one in found.numbers for end in ("", "_predicted")))
    pairs = np.stack([found.targets, found.predicted], 2).reshape(len(names), -1)
    lines = [(name, *(f"{value:.9g}" for value in row)) for name, row in zip(names, pairs.tolist(), strict=True)]
    write_text(each, tabular.as_text(header, lines))
    return [scores, each]
