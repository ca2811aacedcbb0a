"""The ways of `lungo demo` and what can be said of them: a table, differences by picture, and words for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from caffelungo.report.metrics_csv import Point
from caffelungo.study.statistics import MeanDifference, paired_bootstrap

PAIRS = (("b", "a"), ("c", "b"), ("a", "d"))
"""What fine-tuning adds to the linear classifier, what growth adds to fine-tuning, and what ImageNet is worth."""
NOTES = (
    "Paired by picture, 95 % intervals, one training each: `lungo compare` repeats trainings with other seeds.",
    "New layers in (c) learn at ten times the rate of the rest, so a gain of (c) is not necessarily due to its units.",
)


@dataclass(frozen=True)
class Trained:
    """A training: its best ``weights``, its ``seconds``, and ``points`` of its log."""

    weights: Path
    seconds: float
    points: list[Point]

    def _tests(self, name: str) -> list[Point]:
        return [point for point in self.points if (point.phase, point.name) == ("test", name)]

    @property
    def at(self) -> int:
        """The iteration of the lowest loss on the pictures set aside; the first of several."""
        return min(self._tests("loss"), key=lambda point: point.value).iteration

    @property
    def best(self) -> tuple[float, float]:
        """Accuracy and loss on the pictures set aside, where the loss is lowest."""
        at = self.at
        found = [next(one.value for one in self._tests(name) if one.iteration == at) for name in ("accuracy", "loss")]
        return found[0], found[1]

    def ended(self, iterations: int, patience: int = 0) -> bool:
        """Whether it ran to its end: no further test was due before ``iterations``, or the last ``patience`` tests (0:
        any number) were no better."""
        at = [point.iteration for point in self._tests("loss")]
        worse = sum(one > self.at for one in at)
        return len(at) > 1 and (at[-1] + (at[-1] - at[-2]) > iterations or 0 < patience <= worse)


@dataclass
class DemoArm:
    """One way to the classes: the ``folder`` of its final net, how it was ``trained``, and how it came out.

    ``result`` is what `lungo test` says, ``right`` 1 or 0 for each test picture.
    """

    letter: str
    title: str
    folder: Path
    trained: Trained | None = None
    result: dict[str, float] = field(default_factory=dict)
    right: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def model(self) -> Path:
        """The final net."""
        return self.folder / "train_val.prototxt"

    @property
    def weights(self) -> Path:
        """Its weights."""
        return self.folder / "probe.caffemodel"

    @property
    def validation(self) -> tuple[float, float]:
        """Accuracy and loss on the pictures set aside, before the classifier was fitted to them as well."""
        assert self.trained is not None
        return self.trained.best

    def before(self) -> Trained:
        """The start of its training alone: what its first test tells."""
        assert self.trained is not None
        return Trained(self.trained.weights, 0.0, [point for point in self.trained.points if not point.iteration])

    def plain(self) -> dict[str, object]:
        """As JSON."""
        assert self.trained is not None
        accuracy, loss = self.validation
        return {
            "arm": self.letter, "title": self.title, "seconds": round(self.trained.seconds, 1),
            "best_iteration": self.trained.at, "validation": accuracy, "validation_loss": loss, **self.result,
        }  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """``first`` less ``second`` on the same pictures, in points, and on how many they differ (both ways)."""

    first: str
    second: str
    difference: MeanDifference
    apart: int

    def plain(self) -> dict[str, object]:
        """As JSON."""
        found = self.difference
        return {"of": self.first, "less": self.second, "points": found.mean, "low": found.low, "high": found.high}

    def __str__(self) -> str:
        pair = f"({self.first}) and ({self.second})"
        if not self.apart:
            return f"{pair} are right and wrong on exactly the same pictures."
        gap = f"{self.difference} points"
        if not self.difference.sign:
            return f"{pair} are not distinguishable: {gap}."
        better, worse = (self.first, self.second) if self.difference.sign > 0 else (self.second, self.first)
        return f"({better}) is better than ({worse}): ({self.first}) minus ({self.second}) is {gap}."


def chosen(arms: Sequence[DemoArm]) -> DemoArm:
    """The lowest loss on the pictures set aside; of equals the first, which is the simplest."""
    return min(arms, key=lambda arm: arm.validation[1])


def differences(arms: Sequence[DemoArm]) -> list[Compared]:
    """The pairs of ``PAIRS``, by picture."""
    by = {arm.letter: arm.right for arm in arms}
    return [
        Compared(one, other, paired_bootstrap(by[one][None], by[other][None]), int((by[one] != by[other]).sum()))
        for one, other in PAIRS
    ]


def table(arms: Sequence[DemoArm]) -> Table:
    """Validation, accuracy on the test pictures with its 95 % interval, and seconds of training; 80 columns wide."""
    samples = max((arm.result["samples"] for arm in arms), default=0)
    result = Table(box=None, pad_edge=False)
    result.add_column("", no_wrap=True)
    result.add_column("")
    for name in ("set aside", f"of {samples:.0f}", "accuracy", "95 % interval", "time"):
        result.add_column(name, justify="right", no_wrap=True)
    for arm in arms:
        found, trained = arm.result, arm.trained
        assert trained is not None
        result.add_row(
            f"({arm.letter})", arm.title, f"{arm.validation[0]:.0%}", f"{found['right']:.0f}",
            f"{found['accuracy']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}",
            f"{trained.seconds:.0f} s" if trained.seconds else "",
        )  # fmt: skip
    return result


def verdict(pairs: Sequence[Compared]) -> str:
    """What the differences say; no winner is named where the interval touches zero."""
    lines = [str(one) for one in pairs]
    return "\n".join([*lines, *NOTES])
