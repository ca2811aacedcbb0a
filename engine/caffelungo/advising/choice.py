"""Which net, input size and layers a linear classifier should read, and how well that choice does on other pictures.

    all pictures        ->  cross-validation of every contender; the one with the least loss is the choice
    nested, per fold    ->  the same on the other folds alone; their choice answers the fold, which has chosen nothing

S. Varma and R. Simon, Bias in error estimation when using cross-validation for model selection, BMC Bioinformatics 7
(2006).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.advising.clock import PROBES, ROWS, AdviceClock
from caffelungo.advising.kept import KeptResults
from caffelungo.advising.net_features import NetFeatures
from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.choose_candidate import fit_head, held_out
from caffelungo.probes.class_correction import ClassCorrection, without
from caffelungo.probes.finetune_start import FOLDS, MANY, PATIENCE, PENALTIES
from caffelungo.probes.folds import owners, stratified_folds
from caffelungo.probes.penalty_path import interval, path
from caffelungo.probes.scaling import global_scale
from caffelungo.report.classification_score import balanced_accuracy

OUTER = 5
"""Folds that judge."""
FINALISTS = 3
"""Contenders of a fold that are cross-validated, after all were compared on one split: a third of the time."""
Stage = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Contender:
    """``candidate`` of ``read``; ``x`` (2N x D) are its features, those of mirrored copies behind."""

    read: NetFeatures
    candidate: ProbeCandidate
    x: Tensor

    @property
    def title(self) -> str:
        """Net, input size and layers."""
        return f"{self.read.net} {self.read.size} px {self.candidate.name}"


@dataclass(frozen=True)
class ContenderRow:
    """Cross-validation of a contender over all pictures: ``right`` (H) of those held out, at its best ``penalty``; in
    ``seconds``."""

    contender: Contender
    penalty: float
    loss: float
    right: NDArray[np.bool_]
    balanced: float
    seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % (Wilson), of the pictures alone."""
        return interval(self.right)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        low, high = self.interval
        one = self.contender
        return {
            "net": one.read.net, "size": one.read.size, "layers": one.candidate.name, "features": one.x.shape[1],
            "penalty": self.penalty, "accuracy": self.accuracy, "low": low, "high": high,
            "balanced_accuracy": self.balanced, "loss": self.loss,
        }  # fmt: skip


@dataclass(frozen=True)
class JudgedPictures:
    """What the choices of the folds answer: ``predictions`` (N, -1 where not judged) and ``probabilities`` (N x C).

    ``folds`` (N) is the fold of each picture, ``picks`` the contender that each judged fold's choice was.
    """

    predictions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    folds: NDArray[np.int64]
    picks: list[Contender]

    @property
    def judged(self) -> NDArray[np.bool_]:
        """N."""
        return self.predictions >= 0

    def right(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of those that were judged."""
        return self.predictions[self.judged] == labels[self.judged]


class Chooser:
    """The choice among ``contenders`` for pictures with ``labels``; ``groups`` are copies that no fold divides."""

    def __init__(
        self, contenders: Sequence[Contender], labels: NDArray[np.int64], classes: int, groups: Sequence[Sequence[int]],
        correction: ClassCorrection, seed: int,
    ) -> None:  # fmt: skip
        self.contenders, self.labels, self.classes = list(contenders), labels, classes
        self.groups, self.correction, self.seed = groups, correction, seed

    def rows(self, kept: KeptResults, clock: AdviceClock, say: Stage) -> list[ContenderRow]:
        """The contenders, cross-validated over all pictures; those of the first net and size in any case.

        Without time for the others there are no others from then on.
        """
        found: list[ContenderRow] = []
        parts = held_out(self.labels, FOLDS, self.seed, self.groups, MANY)
        for number, one in enumerate(self.contenders):
            if one.read is not self.contenders[0].read and clock.until(ROWS) < 0:
                break
            say("linear classifiers on frozen features", number, len(self.contenders))
            x = one.x[: len(self.labels)]

            def compute(x: Tensor = x) -> dict[str, Any]:
                begin = time.monotonic()
                penalty, loss, predictions, held = self._path(x, self.labels, parts)
                return {"penalty": penalty, "loss": loss, "right": (predictions == self.labels[held]).tolist(),
                        "balanced": balanced_accuracy(predictions == self.labels[held], self.labels[held]),
                        "seconds": time.monotonic() - begin}  # fmt: skip

            made = kept.json("row", [x.numpy(), self.labels, parts.numpy(), self.classes], compute)
            right = np.array(made["right"], np.bool_)
            found.append(ContenderRow(one, made["penalty"], made["loss"], right, made["balanced"], made["seconds"]))
        self.contenders = [row.contender for row in found]
        return found

    def judged(self, kept: KeptResults, clock: AdviceClock, say: Stage) -> JudgedPictures:
        """Fold by fold, while the ``clock`` allows it; the first one in any case."""
        owner = owners(len(self.labels), self.groups)
        count = min(OUTER, len(np.unique(owner)))
        folds = stratified_folds(self.labels, count, self.seed + 1, owner).numpy()
        predictions = np.full(len(self.labels), -1, np.int64)
        probabilities = np.full((len(self.labels), self.classes), 1 / self.classes)
        picks: list[Contender] = []
        begin = clock.spent
        for fold in range(count):
            if fold and clock.until(PROBES) < (clock.spent - begin) / fold:
                break
            say("judging the choice on pictures that took no part in it", fold, count)
            rows = np.flatnonzero(folds == fold)
            key = [*(one.x.numpy() for one in self.contenders), self.labels, folds, fold, self.correction.word]
            made = kept.json("judged", key, partial(self._fold, folds != fold))
            picks.append(self.contenders[made["pick"]])
            probabilities[rows] = np.array(made["probabilities"])
            predictions[rows] = probabilities[rows].argmax(1)
        return JudgedPictures(predictions, probabilities, folds, picks)

    def _fold(self, learned: NDArray[np.bool_]) -> dict[str, Any]:
        """The choice of the pictures ``learned`` (N), and what it says of the others.

        All contenders are compared on one split, and the ``FINALISTS`` of that by cross-validation.
        """
        places = np.cumsum(learned) - 1
        groups = [[int(places[one]) for one in group if learned[one]] for group in self.groups]
        labels, mask = self.labels[learned], torch.from_numpy(learned)
        parts = held_out(labels, FOLDS, self.seed, [group for group in groups if len(group) > 1], MANY)
        race = list(range(len(self.contenders)))
        if parts.dtype != torch.bool and len(race) > FINALISTS:
            race = sorted(race, key=lambda one: self._tried(one, mask, labels, parts == 0))[:FINALISTS]
        _, _, number, penalty = min(self._tried(one, mask, labels, parts) for one in race)
        x = self.contenders[number].x
        counts, shares = (each(labels, self.classes) for each in (self.correction.weights, self.correction.shares))
        head = without(fit_head(x[mask.repeat(2)], labels, self.classes, penalty, counts=counts), shares)
        answers = head.answers(x[: len(learned)][~mask]).double().softmax(1)
        return {"pick": number, "probabilities": answers.tolist()}

    def _tried(
        self, number: int, mask: Tensor, labels: NDArray[np.int64], parts: Tensor
    ) -> tuple[float, int, int, float]:
        """What is least in the best contender: its loss, then its features; also its number and penalty."""
        x = self.contenders[number].x[: len(mask)][mask]
        penalty, loss, _, _ = self._path(x, labels, parts)
        return loss, x.shape[1], number, penalty

    def _path(
        self, x: Tensor, labels: NDArray[np.int64], parts: Tensor
    ) -> tuple[float, float, NDArray[np.int64], NDArray[np.int64]]:
        """The penalty, its loss, and the answers to the pictures held out, with their places."""
        y = torch.from_numpy(labels)
        found = path(global_scale(x)(x), y, self.classes, parts, PENALTIES, patience=PATIENCE)
        return found.penalty, found.rows[found.best].loss, found.predictions.numpy(), found.held.numpy()


def contenders(read: Sequence[NetFeatures]) -> list[Contender]:
    """Every stage of every net and size, and all stages joined."""
    return [Contender(one, candidate, one.matrix(candidate)) for one in read for candidate in one.candidates]


def best(rows: Sequence[ContenderRow]) -> ContenderRow:
    """The least loss on pictures held out; of equals the fewest features."""
    return min(rows, key=lambda row: (row.loss, row.contender.x.shape[1]))
