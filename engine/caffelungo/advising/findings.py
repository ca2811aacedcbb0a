"""Everything that the advice found, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.advising.choice import ContenderRow, JudgedPictures, best
from caffelungo.advising.expected import ExpectedAccuracy
from caffelungo.advising.net_features import NetFeatures
from caffelungo.advising.source_distance import SourceFindings
from caffelungo.advising.survey import SurveyedPictures
from caffelungo.advising.trials import Trial
from caffelungo.evidence.confident_learning import LabelErrors
from caffelungo.evidence.extrapolation import Extrapolation, PredictedAccuracy
from caffelungo.evidence.learning_curve import LearningCurve
from caffelungo.report.classification_score import balanced_accuracy

SUSPECTS, SHARE = 24, 0.08
"""Pictures with doubtful labels that are shown: at most so many, and this share of all. Most of planted errors are
among the first 8 % (``label_errors.ranked``)."""
AHEAD = 2.0
"""Times the pictures that there are, which the extrapolation is told for."""


@dataclass
class AdviceFindings:
    """``rows`` are cross-validated contenders, ``judged`` what their nested choice says; ``expected`` is of the linear
    classifier. ``curve`` and ``ahead`` are None where the pictures are too few, or no time was left."""

    pictures: SurveyedPictures
    read: Sequence[NetFeatures]
    sources: Sequence[SourceFindings]
    rows: Sequence[ContenderRow]
    judged: JudgedPictures
    suspects: LabelErrors
    expected: ExpectedAccuracy
    curve: LearningCurve | None = None
    ahead: Extrapolation | None = None
    trials: Sequence[Trial] = ()
    notices: list[str] = field(default_factory=list)

    @property
    def best(self) -> ContenderRow:
        """The choice."""
        return best(self.rows)

    @property
    def doubtful(self) -> list[int]:
        """Places of pictures whose label is probably wrong, the most suspicious first."""
        found = set(self.suspects.suspects.tolist())
        most = min(SUSPECTS, round(SHARE * len(self.pictures.entries)))
        return [int(place) for place in self.suspects.ranked() if int(place) in found][:most]

    @property
    def balanced(self) -> float:
        """The mean recall of the classes among the pictures judged."""
        labels = self.pictures.labels[self.judged.judged]
        return balanced_accuracy(self.judged.right(self.pictures.labels), labels)

    def near_best(self) -> list[ContenderRow]:
        """Contenders that cannot be told from the choice by the pictures held out, the best first."""
        ours = self.best
        same = [row for row in self.rows if row is not ours and difference(ours, row)[1] <= 0]
        return sorted(same, key=lambda row: row.loss)

    def more(self, times: float = AHEAD) -> PredictedAccuracy | None:
        """What so many times the pictures would bring; None without a curve."""
        return None if self.ahead is None else self.ahead.gain(times * self.ahead.most)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        entries, classes = self.pictures.entries, self.pictures.classes
        more = self.more()
        return {
            "pictures": self.pictures.plain(),
            "source": [one.plain() for one in self.sources],
            "layers": [row.plain() for row in self.rows],
            "probe": {**self.expected.plain(), "balanced_accuracy": self.balanced},
            "learning_curve": None if self.curve is None else {
                "per_class": self.curve.sizes.tolist(), "accuracy": self.curve.accuracies.tolist(),
                "gain_of_twice": None if more is None else [more.value, more.low, more.high],
            },
            "trials": [one.plain() for one in self.trials],
            "doubtful_labels": [
                {"picture": entries[place][0], "label": classes[entries[place][1]],
                 "likely": classes[int(self.suspects.likely[place])],
                 "confidence": float(self.suspects.confidence[place])}
                for place in self.doubtful
            ],
        }  # fmt: skip


def difference(one: ContenderRow, other: ContenderRow) -> tuple[float, float, float]:
    """By how much the accuracy of ``one`` is larger, with its 95 % interval, paired by picture."""
    gains: NDArray[np.float64] = one.right.astype(np.float64) - other.right.astype(np.float64)
    half = 1.96 * float(np.sqrt((gains.var() + 1 / (len(gains) + 1)) / len(gains)))
    return float(gains.mean()), float(gains.mean()) - half, float(gains.mean()) + half


def picture_name(path: str) -> str:
    """Folder and file, which people know a picture by."""
    return "/".join(Path(path).parts[-2:])
