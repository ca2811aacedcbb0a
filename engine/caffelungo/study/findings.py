"""What a comparison found: a row for each arm, a verdict for each claim, and what to use. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.study.arms import REFERENCE, Configuration
from caffelungo.study.claims import CLAIMS, Claim, verdict
from caffelungo.study.compare import Comparison
from caffelungo.study.search import Outcome
from caffelungo.study.statistics import Difference, Interval, interval, paired_bootstrap

DEPTHS = {
    "NEW": "only new layers learn",
    "TOP": "new layers and the top pre-trained one learn",
    "TOP_TWO": "new layers and the top two pre-trained ones learn",
    "ALL": "everything learns",
}


@dataclass(frozen=True)
class Row:
    """One arm at one depth: accuracy in percent with its interval, and the difference to fine-tuning in points."""

    outcome: Outcome
    accuracy: Interval | None
    gain: Difference | None

    @property
    def title(self) -> str:
        return self.outcome.configuration.title

    @property
    def failed(self) -> str | None:
        """Why there is no accuracy."""
        return None if self.accuracy is not None else self.outcome.failure or "not trained"


@dataclass(frozen=True)
class Finding:
    """One claim at one depth: what was found, what the paper reports (None: it did not measure it), and the verdict."""

    claim: Claim
    tune: str
    found: Difference
    paper: float | None
    verdict: str
    units: int = 0


@dataclass(frozen=True)
class Advice:
    """What to use: the best by validation, and the cheapest that is as good within its interval.

    ``apart`` is the cheapest against the best, None where they are one. ``above`` is what is better on the test
    pictures, by ``ahead`` points, where the interval says so.
    """

    best: Row
    cheapest: Row
    apart: Difference | None
    above: Row | None = None
    ahead: Difference | None = None

    @property
    def sentences(self) -> list[str]:
        """In words: the best, the cheapest, and where the test pictures say otherwise."""
        found = [f"Best on the validation pictures: {_named(self.best)}."]
        if self.apart is None:
            found.append("None that trains faster is as good within its interval.")
        else:
            share = self.cheapest.outcome.seconds / max(1e-9, self.best.outcome.seconds)
            found.append(
                f"As good within the interval ({self.apart} points on the test pictures), in {share:.0%} of the time: "
                f"{_named(self.cheapest)}."
            )
        if self.above is not None:
            found.append(
                f"Better than the best on the test pictures, by {self.ahead} points: {_named(self.above)}. The "
                "validation pictures did not show it; more of them choose better."
            )
        return found

    def __str__(self) -> str:
        return " ".join(self.sentences)


def _named(row: Row) -> str:
    assert row.accuracy is not None
    return (
        f'"{row.title}", {DEPTHS[row.outcome.configuration.tune]} '
        f"({row.accuracy.mean:.1f} % of the test pictures, {_seconds(row.outcome.seconds)} CPU s a training)"
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"


def rows(comparison: Comparison, tune: str) -> list[Row]:
    """The arms at depth ``tune``; gains are over fine-tuning at the same depth."""
    reference = comparison.outcome(REFERENCE, tune)
    found = []
    for one in comparison.outcomes:
        if one.configuration.tune != tune:
            continue
        if one.right is None:
            found.append(Row(one, None, None))
            continue
        gain = None
        if reference is not None and reference.right is not None and one is not reference:
            gain = paired_bootstrap(one.right, reference.right)
        found.append(Row(one, interval(one.right), gain))
    return found


@dataclass(frozen=True)
class Recall:
    """What is left of the task between after the target was learned: percent before and after, and the change.

    ``kept``: the change against plain fine-tuning on the target from the same net, None for that itself.
    """

    configuration: Configuration
    before: Interval
    after: Interval
    change: Difference
    kept: Difference | None

    @property
    def title(self) -> str:
        return self.configuration.title

    @property
    def label(self) -> str:
        return self.configuration.label


def recalls(comparison: Comparison) -> list[Recall]:
    """A row for each training on the target that followed the task between."""
    before = {one.configuration.arm.name: one for one in comparison.between if one.right is not None}
    plain = {
        one.configuration.after: one
        for one in comparison.outcomes
        if one.configuration.arm.name == REFERENCE and one.recalled is not None
    }
    found = []
    for one in comparison.outcomes:
        source = before.get(one.configuration.after)
        if one.recalled is None or source is None or source.right is None:
            continue
        other = plain.get(one.configuration.after)
        kept = None
        if other is not None and other is not one and other.recalled is not None:
            kept = paired_bootstrap(one.recalled, other.recalled)
        change = paired_bootstrap(one.recalled, source.right)
        found.append(Recall(one.configuration, interval(source.right), interval(one.recalled), change, kept))
    return found


def findings(comparison: Comparison) -> list[Finding]:
    """Every claim whose two arms were trained, at every depth, with the number of units that did best on validation."""
    found = []
    for claim in CLAIMS:
        for tune in dict.fromkeys(one.configuration.tune for one in comparison.outcomes):
            arm = comparison.outcome(claim.arm, tune, after=claim.after)
            if arm is None:
                continue
            other = comparison.outcome(claim.other, tune, arm.configuration.units or None, claim.other_after)
            if other is None or arm.right is None or other.right is None:
                continue
            difference = paired_bootstrap(arm.right, other.right)
            paper = claim.paper.get(tune)
            found.append(Finding(claim, tune, difference, paper, verdict(difference, paper), arm.configuration.units))
    return found


def advice(comparison: Comparison) -> Advice | None:
    """Chosen on validation, judged on test: the best, and the cheapest whose difference to it may be zero."""
    every = [row for tune in DEPTHS for row in rows(comparison, tune) if row.accuracy is not None]
    if not every:
        return None
    best = max(every, key=lambda row: (row.outcome.validation, -row.outcome.seconds))
    assert best.outcome.right is not None
    cheapest, apart = best, None
    for row in sorted(every, key=lambda row: row.outcome.seconds):
        if row.outcome.seconds >= best.outcome.seconds:
            break
        assert row.outcome.right is not None
        difference = paired_bootstrap(row.outcome.right, best.outcome.right)
        if difference.high >= 0:
            cheapest, apart = row, difference
            break
    top = max(every, key=lambda row: row.accuracy.mean if row.accuracy is not None else 0.0)
    assert top.outcome.right is not None
    ahead = paired_bootstrap(top.outcome.right, best.outcome.right)
    if ahead.sign > 0:
        return Advice(best, cheapest, apart, top, ahead)
    return Advice(best, cheapest, apart)
