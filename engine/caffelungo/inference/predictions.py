"""The classes of a picture with their probabilities, and these as text, JSON and CSV."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo import tabular


@dataclass(frozen=True)
class Guess:
    """One class of a prediction: its number, its label (the number where no labels are known), its probability."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The classes of one picture, the most probable first. ``name`` is its path, or ``picture N``.

    ``head`` is the task that they are of, where the file answers for several; else empty.
    """

    name: str
    guesses: tuple[Guess, ...]
    head: str = ""

    @property
    def best(self) -> Guess:
        return self.guesses[0]


def short_label(label: str) -> str:
    """A label for a picture: without a WordNet number before it and synonyms after it."""
    return re.sub(r"^n\d{8}\s+", "", label).split(",")[0].strip() or label


def as_table(predictions: Sequence[Prediction]) -> str:
    """Aligned text: picture, then its classes with probabilities."""
    if not predictions:
        return ""
    names = max(len(prediction.name) for prediction in predictions)
    labels = max(len(guess.label) for prediction in predictions for guess in prediction.guesses)
    heads = max(len(prediction.head) for prediction in predictions)
    lines = []
    for prediction in predictions:
        for position, guess in enumerate(prediction.guesses):
            name, head = (prediction.name, prediction.head) if position == 0 else ("", "")
            task = f"{head:<{heads}}  " if heads else ""
            lines.append(f"{name:<{names}}  {task}{guess.label:<{labels}}  {guess.probability:7.2%}")
    return "\n".join(lines)


def as_json(predictions: Sequence[Prediction]) -> str:
    """A JSON list of ``{"picture", "classes": [{"index", "label", "probability"}]}``, with ``"head"`` where several."""
    return json.dumps([as_fields(prediction) for prediction in predictions], indent=2, ensure_ascii=False)


def as_fields(prediction: Prediction) -> dict[str, Any]:
    """One entry of ``as_json``."""
    task = {"head": prediction.head} if prediction.head else {}
    return {"picture": prediction.name, **task, "classes": [_plain(guess) for guess in prediction.guesses]}


def _plain(guess: Guess) -> Mapping[str, Any]:
    return {"index": guess.index, "label": guess.label, "probability": round(guess.probability, 6)}


def as_csv(predictions: Sequence[Prediction]) -> str:
    """CSV with the columns picture, (head where there are several,) rank, index, label, probability."""
    rows = (row for prediction in predictions for row in csv_rows(prediction))
    return tabular.as_text(csv_header(predictions), rows)


CSV_HEADER = ("picture", "rank", "index", "label", "probability")


def csv_header(predictions: Sequence[Prediction]) -> tuple[str, ...]:
    """The columns of a table of ``predictions``."""
    several = any(prediction.head for prediction in predictions)
    return (CSV_HEADER[0], "head", *CSV_HEADER[1:]) if several else CSV_HEADER


def csv_rows(prediction: Prediction) -> list[tuple[Any, ...]]:
    """The lines of ``as_csv`` for one picture."""
    first = (prediction.name, prediction.head) if prediction.head else (prediction.name,)
    return [
        (*first, rank, guess.index, guess.label, f"{guess.probability:.6f}")
        for rank, guess in enumerate(prediction.guesses, 1)
    ]
