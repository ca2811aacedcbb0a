"""What one test of a net found. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Score:
    """The mean of one element of an output blob over a test, and its loss weight."""

    blob: str
    value: float
    weight: float


@dataclass(frozen=True)
class TestResult:
    """Means over one test. ``samples`` is how many were seen, ``measures`` what else was counted.

    ``thresholds``: of a net that tells several labels, those at which its F1 is best on this test (``label_measures``).
    """

    loss: float
    scores: list[Score]
    samples: int
    measures: dict[str, float] = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()

    __test__ = False

    def values(self) -> dict[str, float]:
        """Scalar outputs by blob name; the elements of larger ones are left out."""
        names = [score.blob for score in self.scores]
        return {score.blob: score.value for score in self.scores if names.count(score.blob) == 1}
