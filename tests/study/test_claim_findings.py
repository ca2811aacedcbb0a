"""What a comparison found, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.study.claim_findings import findings, recalls, rows
from caffelungo.study.claims import CLAIMS, OPEN, OPPOSITE, REPRODUCED, verdict
from caffelungo.study.statistics import MeanDifference
from tests.study.compared import comparison, probe, right, row


@pytest.mark.parametrize(
    ("interval", "paper", "said"),
    [
        ((1, 3), 2.0, REPRODUCED),
        ((-3, -1), -0.3, REPRODUCED),
        ((-3, -1), 2.0, OPPOSITE),
        ((1, 3), -2.0, OPPOSITE),
        ((-1, 3), 2.0, OPEN),
        ((0, 3), 2.0, OPEN),
        ((1, 3), None, "yes"),
        ((-3, -1), None, "no, the opposite"),
        ((-1, 1), None, OPEN),
    ],
)
def test_verdicts(interval: tuple[float, float], paper: float | None, said: str) -> None:
    found = MeanDifference(sum(interval) / 2, *interval)
    assert verdict(found, paper, 0.04) == said
    # What is left of it among many decides.
    assert verdict(found, paper, 0.05) == OPEN


def test_rows() -> None:
    """All ten right against none: every draw says 100 points."""
    found = rows(
        comparison(row("finetune", "NEW", 0, 0), row("wider", "NEW", 10, 10), row("wide", "NEW", failure="no"),
                   row("finetune", "ALL", 5, 5), probe("conv1", 5, 5)),
        "NEW",
    )  # fmt: skip
    reference, wider, wide = found
    assert reference.gain is None
    assert reference.accuracy is not None
    assert (reference.accuracy.mean, reference.accuracy.low, reference.accuracy.high) == (0, 0, 0)
    assert wider.gain is not None
    assert (wider.gain.found.mean, wider.gain.found.low, wider.gain.sign) == (100, 100, 1)
    assert wider.over_bar is not None
    assert wider.over_bar.found.mean == pytest.approx(50)
    assert (wide.accuracy, wide.gain, wide.over_bar, wide.failed) == (None, None, None, "no")


def test_the_bar_is_the_least_loss_in_the_cross_validation() -> None:
    """Whatever it comes to on validation and test pictures; it is no gain over itself."""
    made = comparison(
        row("finetune", "NEW", 5, 5), probe("conv1", 9, 9, loss=0.6, validation=0.9), probe("conv2", 7, 7, loss=0.4)
    )
    assert made.bar is not None
    assert made.bar.configuration.label == "probe conv2"
    first, second = rows(made, "PROBE")
    assert second.over_bar is None
    assert first.over_bar is not None
    assert first.over_bar.found.mean == pytest.approx(20)
    (tuned,) = rows(made, "NEW")
    assert tuned.over_bar is not None
    assert tuned.over_bar.found.mean == pytest.approx(-20)
    assert comparison(row("finetune", "NEW", 5)).bar is None


def test_a_gain_is_corrected_for_all_of_its_column() -> None:
    """One of ten arms is ahead: what alone would be told of it is not told among so many."""
    arms = [row("wider", "NEW", 5, units=units) for units in range(1, 31)]
    ahead = row("deeper", "NEW", 9)
    alone = rows(comparison(row("finetune", "NEW", 5), ahead), "NEW")[1].gain
    among = rows(comparison(row("finetune", "NEW", 5), ahead, *arms), "NEW")[1].gain
    assert alone is not None
    assert among is not None
    assert alone.found == among.found
    assert alone.p == alone.found.p
    assert among.p == pytest.approx(31 * alone.p)
    assert (alone.sign, among.sign) == (1, 0)


def test_a_gain_is_over_the_same_depth_without_a_task_between() -> None:
    made = comparison(
        row("finetune", "NEW", 1, 1), row("finetune", "ALL", 5, 5), row("finetune", "ALL", 7, 9, after="finetune")
    )
    plain, after = rows(made, "ALL")
    assert plain.gain is None
    assert after.gain is not None
    assert after.gain.found.mean == pytest.approx(30)


def test_no_gain_over_what_failed() -> None:
    found = rows(comparison(row("finetune", "NEW", failure="no"), row("wider", "NEW", 9)), "NEW")
    assert [one.gain for one in found] == [None, None]


def test_claims_of_the_arms_that_were_trained() -> None:
    made = comparison(
        row("finetune", "NEW", 2, 2), row("wider", "NEW", 9, 9), row("deeper", "NEW", failure="no"),
        row("normalized", "NEW", 9, 9), row("features", "NEW", failure="no"), row("finetune", "TOP", 9, 9),
        row("wider", "TOP", 2, 2), probe("conv1", 2, 2),
    )  # fmt: skip
    found = {(one.claim.label, one.tune): one for one in findings(made)}
    assert {key for key, one in found.items() if one.found is not None} == {
        ("wider > finetune", "NEW"), ("wider > finetune", "TOP"), ("wider > normalized", "NEW"),
        *(((f"{arm} > probe", tune)) for arm in ("finetune", "wider") for tune in ("NEW", "TOP")),
    }  # fmt: skip
    new = found["wider > finetune", "NEW"]
    assert new.found is not None
    assert new.found.mean == pytest.approx(70)
    assert (new.paper, new.verdict) == (3.18, REPRODUCED)
    control = found["wider > normalized", "NEW"]
    assert control.found is not None
    assert (control.found.mean, control.paper, control.verdict) == (0, None, OPEN)
    assert found["wider > finetune", "TOP"].verdict == OPPOSITE
    assert found["wider > probe", "NEW"].verdict == "yes"
    assert found["finetune > probe", "NEW"].verdict == OPEN
    # Controls that there are no numbers of are named.
    assert found["wider > longer", "NEW"].verdict == "not run"
    assert found["wider > features", "NEW"].verdict == "failed"
    assert found["wider > features", "TOP"].verdict == "not run"
    assert not any(one.claim.arm == "deeper" for one in found.values())


def test_claims_are_corrected_for_their_number() -> None:
    made = comparison(row("finetune", "NEW", 2, 2), row("wider", "NEW", 9, 9), row("normalized", "NEW", 8, 8))
    told = [one for one in findings(made) if one.found is not None]
    ps = [one.found.p for one in told if one.found is not None]
    assert len(told) == 2
    assert sorted(one.p for one in told) == pytest.approx(sorted((2 * min(ps), max(2 * min(ps), max(ps)))))


def test_the_number_of_units_that_validation_preferred_on_both_sides() -> None:
    made = comparison(
        row("wider", "ALL", 9, units=8, loss=0.1), row("wider", "ALL", 1, units=16, loss=0.2),
        row("deeper", "ALL", 3, units=8, loss=0.9), row("deeper", "ALL", 8, units=16, loss=0.1),
    )  # fmt: skip
    (one,) = [one for one in findings(made) if one.found is not None]
    assert one.found is not None
    assert (one.claim.label, one.units) == ("wider > deeper", 8)
    assert one.found.mean == pytest.approx(60)


def test_claims_about_a_task_between() -> None:
    made = comparison(
        row("wider", "ALL", 5), row("wider", "ALL", 8, after="wider"), row("wider", "ALL", 6, after="finetune")
    )
    found = {one.claim.label: one.found.mean for one in findings(made) if one.found is not None}
    assert found == pytest.approx({"wider after wider > wider": 30, "wider after wider > wider after finetune": 20})


def test_every_claim_has_words_of_its_own() -> None:
    assert len({claim.words for claim in CLAIMS}) == len({claim.label for claim in CLAIMS}) == len(CLAIMS)


def test_nothing_was_trained() -> None:
    assert findings(comparison(row("finetune", "ALL", failure="no"))) == []


def test_what_is_left_of_the_task_between() -> None:
    """8 of 10 right before; then 2 after plain fine-tuning, 6 after one that remembers."""
    before = row("finetune", "ALL", 8, 8)
    made = comparison(
        row("finetune", "ALL", 5, 5),
        row("finetune", "ALL", 5, 5, after="finetune", recalled=right(2, 2)),
        row("remember", "ALL", 5, 5, after="finetune", recalled=right(6, 6)),
        row("wider", "ALL", failure="no", after="finetune"),
        row("wider", "ALL", 5, 5, after="wider", recalled=right(1, 1)),
        between=[before, row("wider", "ALL", failure="no")],
    )  # fmt: skip
    plain, kept = recalls(made)
    assert (plain.label, plain.before.mean, plain.after.mean, plain.kept) == (
        "finetune after finetune", pytest.approx(80), pytest.approx(20), None,
    )  # fmt: skip
    assert plain.change.mean == pytest.approx(-60)
    assert plain.change.sign == -1
    assert kept.change.mean == pytest.approx(-20)
    assert kept.kept is not None
    assert kept.kept.mean == pytest.approx(40)
    assert np.isclose(kept.after.mean, 60)
