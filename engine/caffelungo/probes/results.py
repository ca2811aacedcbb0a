"""What a probe found, and how right a classifier is on pictures that it has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.choose_candidate import LinearHead, TriedCandidate
from caffelungo.probes.penalty_path import interval
from caffelungo.probes.refit_classifier import Refitted
from caffelungo.report.classification_score import balanced_accuracy


@dataclass(frozen=True)
class JudgedHead:
    """The chosen classifier on pictures that neither it nor its choice has seen."""

    accuracy: float
    low: float
    high: float
    balanced: float
    samples: int


@dataclass
class Probed:
    """What was found: ``rows`` a candidate each (none where the penalty was given and there was one candidate), the
    ``chosen`` one, its ``head``, and how it did on ``--test``. ``judged`` is how each candidate does there, by name,
    fitted to all pictures: it plays no part in the choice.

    ``files`` are those written (none without an output), ``commands`` what to run next. ``again``: where a trained
    net's own classifier was fitted again, and its pictures set aside chose. ``kept``: whether the classifier is as it
    was trained (None where there was none).
    """

    classes: tuple[str, ...]
    pictures: int
    rows: list[TriedCandidate]
    chosen: ProbeCandidate
    head: LinearHead
    tested: JudgedHead | None
    judged: dict[str, JudgedHead]
    seconds: float
    notices: list[str] = field(default_factory=list)
    again: Refitted | None = None
    kept: bool | None = None
    files: list[Path] = field(default_factory=list)
    commands: list[tuple[str, str]] = field(default_factory=list)

    @property
    def best(self) -> TriedCandidate | None:
        """The row of the chosen candidate."""
        return next((row for row in self.rows if row.candidate == self.chosen), None)

    def plain(self) -> dict[str, Any]:
        """As JSON: a function of net, weights, pictures and options, without the time it took."""
        return {
            "classes": list(self.classes), "pictures": self.pictures, "layers": [row.plain() for row in self.rows],
            "chosen": {
                "layers": self.chosen.name, "blobs": list(self.chosen.blobs),
                "penalty": None if self.kept else self.head.penalty,
                "features": self.head.weight.shape[1], "converged": self.head.converged,
            },
            "test": asdict(self.tested) if self.tested else None,
            "test_by_layer": {name: asdict(one) for name, one in self.judged.items()},
            "kept_as_trained": self.kept,
            "notices": self.notices,
        }  # fmt: skip


def judge(answers: NDArray[np.int64], labels: NDArray[np.int64]) -> JudgedHead:
    """Accuracy with its 95 % interval (Wilson), and the mean recall of the classes that are there."""
    right = answers == labels
    low, high = interval(right)
    return JudgedHead(float(right.mean()), low, high, balanced_accuracy(right, labels), len(labels))
