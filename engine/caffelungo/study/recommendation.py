"""What a comparison says is to be used, in words that name a winner only where there is one. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.study.claim_findings import DEPTHS, ArmRow, board
from caffelungo.study.claims import LEVEL
from caffelungo.study.compare import Comparison
from caffelungo.study.statistics import MeanDifference, holm, paired_bootstrap


@dataclass(frozen=True)
class Advice:
    """``best`` has the highest accuracy on the validation pictures; all else is judged on the test pictures.

    ``bar`` is the best linear classifier and ``over_bar`` the best against it (both None where there is none, or where
    the best is the bar). ``cheapest`` is the fastest that is not distinguishably worse than the best, ``apart`` its
    difference; they are None where there is none. ``above`` is what is better on the test pictures, by ``ahead``
    points, corrected for the number of arms.
    """

    best: ArmRow
    bar: ArmRow | None = None
    over_bar: MeanDifference | None = None
    cheapest: ArmRow | None = None
    apart: MeanDifference | None = None
    above: ArmRow | None = None
    ahead: MeanDifference | None = None

    @property
    def sentences(self) -> list[str]:
        """In words."""
        found = [f"Highest accuracy on the validation pictures: {_named(self.best)}."]
        if self.bar is self.best:
            found.append("That is the bar: training is not shown to be worth its time.")
        elif self.bar is not None and self.over_bar is not None:
            found.append(_against_the_bar(self.bar, self.over_bar))
        if self.cheapest is None or self.apart is None:
            found.append("No cheaper arm is indistinguishable from it.")
        elif self.cheapest is not self.bar:
            share = self.cheapest.outcome.seconds / max(1e-9, self.best.outcome.seconds)
            found.append(
                f"Not distinguishable from it ({self.apart} points on the test pictures), in {share:.0%} of the time: "
                f"{_named(self.cheapest)}."
            )
        if self.above is not None:
            found.append(
                f"Better on the test pictures, by {self.ahead} points: {_named(self.above)}. The validation pictures "
                "did not show it; more of them would choose better."
            )
        return found

    def __str__(self) -> str:
        return " ".join(self.sentences)


def advice(comparison: Comparison) -> Advice | None:
    """What to use; None where nothing came through."""
    every = [row for made in board(comparison).values() for row in made if row.accuracy is not None]
    if not every:
        return None
    best = max(every, key=lambda row: (row.outcome.validation, -row.outcome.seconds))
    against = [(row, _between(row, best)) for row in every if row is not best]
    bar = next((row for row in every if row.outcome is comparison.bar), None)
    over_bar = _between(best, bar) if bar is not None and bar is not best else None
    faster = sorted(
        (pair for pair in against if pair[0].outcome.seconds < best.outcome.seconds),
        key=lambda pair: pair[0].outcome.seconds,
    )
    cheapest, apart = next((pair for pair in faster if pair[1].sign >= 0), (None, None))
    ps = holm([difference.p for _, difference in against])
    ahead = [pair for pair, p in zip(against, ps, strict=True) if pair[1].sign > 0 and p < LEVEL]
    above = max(ahead, key=lambda pair: pair[1].mean, default=(None, None))
    return Advice(best, bar, over_bar, cheapest, apart, *above)


def _between(one: ArmRow, other: ArmRow) -> MeanDifference:
    assert one.outcome.right is not None
    assert other.outcome.right is not None
    return paired_bootstrap(one.outcome.right, other.outcome.right)


def _against_the_bar(bar: ArmRow, over: MeanDifference) -> str:
    if over.sign > 0:
        return f"It beats the bar by {over} points: {_named(bar)}."
    if over.sign < 0:
        return f"The bar is better, by {_opposite(over)} points: {_named(bar)}."
    return (
        f"It is not distinguishable from the bar ({over} points): {_named(bar)}. A linear classifier on the frozen net "
        "is enough, as far as these pictures show."
    )


def _opposite(found: MeanDifference) -> MeanDifference:
    return MeanDifference(-found.mean, -found.high, -found.low, found.p)


def _named(row: ArmRow) -> str:
    assert row.accuracy is not None
    seconds = row.outcome.seconds
    depth = DEPTHS[row.outcome.configuration.tune]
    time = f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}"
    return f'"{row.title}", {depth} ({row.accuracy.mean:.1f} % of the test pictures, {time} s per training)'
