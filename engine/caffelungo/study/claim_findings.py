"""What a comparison found: a row for each arm, a verdict for each claim, and what to use. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from caffelungo.study.arms import REFERENCE, Configuration
from caffelungo.study.claims import CLAIMS, FAILED, LEVEL, NOT_RUN, Claim, verdict
from caffelungo.study.compare import Comparison
from caffelungo.study.frozen_baseline import DEPTH as PROBED
from caffelungo.study.search import Outcome
from caffelungo.study.statistics import Interval, MeanDifference, holm, interval, paired_bootstrap

DEPTHS = {
    PROBED: "only a linear classifier on the frozen net learns",
    "NEW": "only new layers learn",
    "TOP": "new layers and the top pre-trained one learn",
    "TOP_TWO": "new layers and the top two pre-trained ones learn",
    "ALL": "everything learns",
}


@dataclass(frozen=True)
class Gain:
    """A difference in points, and p corrected for all differences of its column on the page."""

    found: MeanDifference
    p: float

    @property
    def sign(self) -> int:
        """1 or -1 where the correction leaves a sign, else 0."""
        return self.found.sign if self.p < LEVEL else 0

    def __str__(self) -> str:
        return str(self.found)


@dataclass(frozen=True)
class ArmRow:
    """One arm at one depth: accuracy in percent with its interval, and the differences in points.

    ``over_bar`` is that to the best linear classifier, ``gain`` that to fine-tuning at the same depth; None where the
    arm is that itself, or where there is none.
    """

    outcome: Outcome
    accuracy: Interval | None
    gain: Gain | None
    over_bar: Gain | None = None

    @property
    def title(self) -> str:
        return self.outcome.configuration.title

    @property
    def failed(self) -> str | None:
        """Why there is no accuracy."""
        return None if self.accuracy is not None else self.outcome.failure or "not trained"


@dataclass(frozen=True)
class ClaimFinding:
    """One claim at one depth: what was found, what the paper reports (None: it did not measure it), and the verdict.

    ``found`` is None where the other arm was not run. ``p`` is corrected for all claims of the page.
    """

    claim: Claim
    tune: str
    found: MeanDifference | None
    paper: float | None
    verdict: str
    units: int = 0
    p: float = 1.0


def board(comparison: Comparison) -> dict[str, list[ArmRow]]:
    """The arms by depth, in the order of tables."""
    found = [one for tune in DEPTHS for one in comparison.outcomes if one.configuration.tune == tune]
    bar = comparison.bar
    references = {tune: comparison.outcome(REFERENCE, tune) for tune in DEPTHS}
    over_bar = _gains(found, [bar for _ in found])
    gains = _gains(found, [references[one.configuration.tune] for one in found])
    made: dict[str, list[ArmRow]] = {tune: [] for tune in DEPTHS}
    for one, gain, over in zip(found, gains, over_bar, strict=True):
        accuracy = interval(one.right) if one.right is not None else None
        made[one.configuration.tune].append(ArmRow(one, accuracy, gain, over))
    return made


def _gains(ones: Sequence[Outcome], others: Sequence[Outcome | None]) -> list[Gain | None]:
    """Each of ``ones`` against that of ``others``, corrected for their number."""
    found = [_difference(one, other) for one, other in zip(ones, others, strict=True)]
    ps = iter(holm([each.p for each in found if each is not None]))
    return [Gain(each, next(ps)) if each is not None else None for each in found]


def _difference(one: Outcome, other: Outcome | None) -> MeanDifference | None:
    if other is None or other is one or one.right is None or other.right is None:
        return None
    return paired_bootstrap(one.right, other.right)


def rows(comparison: Comparison, tune: str) -> list[ArmRow]:
    """Every arm at the depth ``tune``."""
    return board(comparison)[tune]


@dataclass(frozen=True)
class Recall:
    """What is left of the task between after the target was learned: percent before and after, and the change.

    ``kept``: the change against plain fine-tuning on the target from the same net, None for that itself.
    """

    configuration: Configuration
    before: Interval
    after: Interval
    change: MeanDifference
    kept: MeanDifference | None

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


def findings(comparison: Comparison) -> list[ClaimFinding]:
    """Every claim whose arm was trained, at every depth, with the number of units that did best on validation.

    A claim against a control that was not run says so; one of the paper's is left out where an arm of it was not run.
    """
    found: list[ClaimFinding] = []
    tunes = dict.fromkeys(one.configuration.tune for one in comparison.outcomes)
    for claim in CLAIMS:
        for tune in tunes:
            arm = comparison.outcome(claim.arm, tune, after=claim.after)
            if arm is None:
                continue
            other = comparison.outcome(claim.other, tune, arm.configuration.units or None, claim.other_after)
            difference = _difference(arm, other)
            paper, units = claim.paper.get(tune), arm.configuration.units
            if difference is not None:
                found.append(ClaimFinding(claim, tune, difference, paper, "", units))
            elif claim.control:
                there = any(
                    one.configuration.arm.name == claim.other and one.configuration.tune in (tune, PROBED)
                    for one in comparison.outcomes
                )
                found.append(ClaimFinding(claim, tune, None, None, FAILED if there else NOT_RUN, units))
    return _judged(found)


def _judged(found: Sequence[ClaimFinding]) -> list[ClaimFinding]:
    """``found`` with verdicts, corrected for how many claims there are."""
    ps = iter(holm([one.found.p for one in found if one.found is not None]))
    judged = []
    for one in found:
        if one.found is None:
            judged.append(one)
        else:
            p = next(ps)
            judged.append(replace(one, p=p, verdict=verdict(one.found, one.paper, p)))
    return judged
