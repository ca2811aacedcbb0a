"""What a comparison found as tables of words: for a page, for Markdown, and short for a terminal. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from caffelungo.study.claim_findings import DEPTHS, ArmRow, ClaimFinding, Recall, board, findings, recalls
from caffelungo.study.claims import NO, OPPOSITE, REPRODUCED, YES
from caffelungo.study.compare import Comparison
from caffelungo.study.recommendation import advice

HEAD = ("arm", "test accuracy, %", "over the bar, points", "over fine-tuning, points", "rate", "parameters", "s")
RECALL_HEAD = ("arm", "before, %", "after, %", "change, points", "against FT, points")
BRIEF_HEAD = ("arm", "test, %", "over the bar", "rate", "s")
BRIEF_RECALL_HEAD = ("arm", "before, %", "after, %", "change")
BRIEF_CLAIM_HEAD = ("arm > other", "learns", "here", "paper", "verdict")
CLAIM_HEAD = ("claim", "what learns", "here, points", "p", "paper", "verdict")
END = "*"
"""Beside a rate that is the lowest or highest tried."""
NOTE = (
    "The bar is the linear classifier with the lowest loss in cross-validation on the training pictures. "
    "Accuracy is the mean over seeds, each with its own split, at the rate with the lowest loss on the validation "
    "pictures. Intervals are 95 %, over seeds and test pictures, in pairs; a difference is coloured if it is "
    f"significant after Holm's correction for all of its column. {END} the lowest or highest rate tried: a better one "
    "may be outside the range."
)
PAPER = (
    "Growing a Brain (CVPR 2017) reports AlexNet on SUN-397; open questions have no number. p is corrected (Holm) "
    "for all claims of this table; where it is 0.05 or more the arms are not distinguishable, whatever the interval "
    "alone says. Reproduced: the difference is on the paper's side of zero, however far from it. A control that was "
    "not run settles nothing."
)
TONES = {REPRODUCED: "good", YES: "good", OPPOSITE: "bad", NO: "bad"}


@dataclass(frozen=True)
class ResultTable:
    """A table with the text above it; ``tones`` are the cells that mean well or ill, by (row, column)."""

    title: str
    text: str
    head: Sequence[str]
    lines: list[list[str]]
    tones: dict[tuple[int, int], str] = field(default_factory=dict)


def tables(comparison: Comparison) -> list[ResultTable]:
    """All tables, in the order in which they are read."""
    made: list[ResultTable] = []
    for tune, found in board(comparison).items():
        if found:
            lines = [_plain(row) for row in found]
            made.append(ResultTable(DEPTHS[tune].capitalize(), "" if made else NOTE, HEAD, lines, _tones(found)))
    claims = findings(comparison)
    if claims:
        tones = {(k, 5): TONES.get(one.verdict, "weak") for k, one in enumerate(claims)}
        made.append(ResultTable("What reproduced", PAPER, CLAIM_HEAD, [_claim(one) for one in claims], tones))
    recalled = recalls(comparison)
    if recalled:
        text = "Accuracy on the intermediate task of the classifier learned there, before and after the target."
        tones = {
            (k, column): "good" if change.sign > 0 else "bad"
            for k, one in enumerate(recalled)
            for column, change in ((3, one.change), (4, one.kept))
            if change is not None and change.sign
        }
        lines = [_recall(one) for one in recalled]
        made.append(ResultTable("What is left of the intermediate task", text, RECALL_HEAD, lines, tones))
    return made


def words(comparison: Comparison) -> list[str]:
    """What to use, in a few sentences; none when nothing was trained."""
    found = advice(comparison)
    return found.sentences if found is not None else []


def _plain(row: ArmRow) -> list[str]:
    one = row.outcome
    if row.accuracy is None:
        return [row.title, f"failed: {row.failed}", "", "", "", "", ""]
    rate = f"{one.rate:g}{END if one.edge else ''}" if one.tried else ""
    gains = [str(gain) if gain is not None else "" for gain in (row.over_bar, row.gain)]
    return [row.title, str(row.accuracy), *gains, rate, f"{one.parameters:,}", f"{one.seconds:.1f}"]


def _tones(found: Sequence[ArmRow]) -> dict[tuple[int, int], str]:
    tones = {}
    for k, row in enumerate(found):
        if row.failed:
            tones[k, 1] = "bad"
        for column, gain in ((2, row.over_bar), (3, row.gain)):
            if gain is not None and gain.sign:
                tones[k, column] = "good" if gain.sign > 0 else "bad"
    return tones


def _recall(one: Recall) -> list[str]:
    return [one.title, str(one.before), str(one.after), str(one.change), str(one.kept) if one.kept is not None else ""]


def _claim(one: ClaimFinding) -> list[str]:
    source = f" ({one.claim.source})" if one.paper is not None else ""
    paper = f"{one.paper:+.1f}{source}" if one.paper is not None else "not measured"
    here, p = (str(one.found), _p(one.p)) if one.found is not None else ("", "")
    return [one.claim.words, DEPTHS[one.tune], here, p, paper, one.verdict]


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def brief(comparison: Comparison) -> list[ResultTable]:
    """The tables for a terminal: names in place of titles, differences in place of intervals."""
    made: list[ResultTable] = []
    for tune, found in board(comparison).items():
        if found:
            failed = [f"{_label(row)}: {row.failed}" for row in found if row.failed]
            lines = [[_label(row), *_short(row)] for row in found]
            made.append(ResultTable(DEPTHS[tune].capitalize(), "\n".join(failed), BRIEF_HEAD, lines))
    if claims := findings(comparison):
        made.append(ResultTable("What reproduced", "", BRIEF_CLAIM_HEAD, [_short_claim(one) for one in claims]))
    if recalled := recalls(comparison):
        lines = [
            [one.label, f"{one.before.mean:.1f}", f"{one.after.mean:.1f}", str(one.change)] for one in recalled
        ]  # fmt: skip
        made.append(ResultTable("What is left of the intermediate task", "", BRIEF_RECALL_HEAD, lines))
    return made


def _label(row: ArmRow) -> str:
    return row.outcome.configuration.label


def _short(row: ArmRow) -> list[str]:
    full = _plain(row)
    if row.accuracy is None:
        return ["failed", "", "", ""]
    return [f"{row.accuracy.mean:.1f}", full[2], full[4], full[6]]


def _short_claim(one: ClaimFinding) -> list[str]:
    paper = f"{one.paper:+.1f}" if one.paper is not None else "-"
    here = str(one.found) if one.found is not None else ""
    return [one.claim.label, one.tune.lower(), here, paper, one.verdict]
