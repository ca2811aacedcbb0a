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
class PredictedNumber:
    """A number that the net predicts, in its unit (which may be empty)."""

    name: str
    value: float
    unit: str = ""


@dataclass(frozen=True)
class Prediction:
    """The classes of one picture, the most probable first. ``name`` is its path, or ``picture N``.

    ``head`` is the task that they are of, where the file answers for several; else empty. ``numbers``: what the net
    predicts in the place of classes. ``scores``: every label of a net that tells several, in the order of its outputs;
    ``guesses`` are those from their thresholds on, none perhaps.
    """

    name: str
    guesses: tuple[Guess, ...]
    head: str = ""
    numbers: tuple[PredictedNumber, ...] = ()
    scores: tuple[Guess, ...] = ()

    @property
    def best(self) -> Guess:
        return self.guesses[0]


NONE = "(none of the labels)"
"""What stands for no label in a table."""


def joined(prediction: Prediction) -> str:
    """The labels of a picture in one cell."""
    return "|".join(guess.label for guess in prediction.guesses)


def short_label(label: str) -> str:
    """A label for a picture: without a WordNet number before it and synonyms after it."""
    return re.sub(r"^n\d{8}\s+", "", label).split(",")[0].strip() or label


def as_table(predictions: Sequence[Prediction]) -> str:
    """Aligned text: picture, then its classes with probabilities, or its numbers with their units."""
    if not predictions:
        return ""
    if predictions[0].numbers:
        return _numbers_table(predictions)
    names = max(len(prediction.name) for prediction in predictions)
    labels = max((len(guess.label) for prediction in predictions for guess in prediction.guesses), default=0)
    heads = max(len(prediction.head) for prediction in predictions)
    lines = []
    for prediction in predictions:
        for position, guess in enumerate(prediction.guesses):
            name, head = (prediction.name, prediction.head) if position == 0 else ("", "")
            task = f"{head:<{heads}}  " if heads else ""
            lines.append(f"{name:<{names}}  {task}{guess.label:<{labels}}  {guess.probability:7.2%}")
        if not prediction.guesses:
            lines.append(f"{prediction.name:<{names}}  {NONE}")
    return "\n".join(lines)


def _numbers_table(predictions: Sequence[Prediction]) -> str:
    names = max(len(prediction.name) for prediction in predictions)
    titles = max(len(number.name) for number in predictions[0].numbers)
    lines = []
    for prediction in predictions:
        for position, number in enumerate(prediction.numbers):
            name = prediction.name if position == 0 else ""
            lines.append(f"{name:<{names}}  {number.name:<{titles}}  {number.value:.6g} {number.unit}".rstrip())
    return "\n".join(lines)


def as_json(predictions: Sequence[Prediction]) -> str:
    """A JSON list of ``{"picture", "classes": [{"index", "label", "probability"}]}``, with ``"head"`` where several, or
    of ``{"picture", "numbers": {"age": 31.2}}``, or of ``{"picture", "labels": [...], "scores": {"cat": 0.93}}``."""
    return json.dumps([as_fields(prediction) for prediction in predictions], indent=2, ensure_ascii=False)


def as_fields(prediction: Prediction) -> dict[str, Any]:
    """One entry of ``as_json``."""
    if prediction.numbers:
        return {"picture": prediction.name, "numbers": numbers_of(prediction)}
    if prediction.scores:
        told = [_plain(guess) for guess in prediction.guesses]
        return {"picture": prediction.name, "labels": told, "scores": scores_of(prediction)}
    task = {"head": prediction.head} if prediction.head else {}
    return {"picture": prediction.name, **task, "classes": [_plain(guess) for guess in prediction.guesses]}


def numbers_of(prediction: Prediction) -> dict[str, float]:
    """The predicted numbers by name, with the digits that single precision has."""
    return {one.name: float(f"{one.value:.7g}") for one in prediction.numbers}


def scores_of(prediction: Prediction) -> dict[str, float]:
    """The probability of every label by its name."""
    return {one.label: round(one.probability, 6) for one in prediction.scores}


def rows_of(prediction: Prediction) -> list[dict[str, Any]]:
    """A row for each class of one picture, or one with all of its numbers, or with its labels and all probabilities."""
    if prediction.numbers:
        return [{"picture": prediction.name, **numbers_of(prediction)}]
    if prediction.scores:
        return [{"picture": prediction.name, "labels": joined(prediction), **scores_of(prediction)}]
    task = {"head": prediction.head} if prediction.head else {}
    return [
        {"picture": prediction.name, **task, "class": guess.label, "probability": guess.probability}
        for guess in prediction.guesses
    ]


def _plain(guess: Guess) -> Mapping[str, Any]:
    return {"index": guess.index, "label": guess.label, "probability": round(guess.probability, 6)}


def as_csv(predictions: Sequence[Prediction]) -> str:
    """CSV with the columns picture, (head where there are several,) rank, index, label, probability; or picture and a
    column for each number; or picture, labels (with | between them) and a column with the probability of each label."""
    rows = (row for prediction in predictions for row in csv_rows(prediction))
    return tabular.as_text(csv_header(predictions), rows)


CSV_HEADER = ("picture", "rank", "index", "label", "probability")


def csv_header(predictions: Sequence[Prediction]) -> tuple[str, ...]:
    """The columns of a table of ``predictions``."""
    if predictions and predictions[0].numbers:
        return (CSV_HEADER[0], *(one.name for one in predictions[0].numbers))
    if predictions and predictions[0].scores:
        return (CSV_HEADER[0], "labels", *(one.label for one in predictions[0].scores))
    several = any(prediction.head for prediction in predictions)
    return (CSV_HEADER[0], "head", *CSV_HEADER[1:]) if several else CSV_HEADER


def csv_rows(prediction: Prediction) -> list[tuple[Any, ...]]:
    """The lines of ``as_csv`` for one picture."""
    if prediction.numbers:
        return [(prediction.name, *(f"{value:.7g}" for value in numbers_of(prediction).values()))]
    if prediction.scores:
        return [(prediction.name, joined(prediction), *(f"{one.probability:.6f}" for one in prediction.scores))]
    first = (prediction.name, prediction.head) if prediction.head else (prediction.name,)
    return [
        (*first, rank, guess.index, guess.label, f"{guess.probability:.6f}")
        for rank, guess in enumerate(prediction.guesses, 1)
    ]
