"""What a comparison found, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.study.claims import CLAIMS, OPPOSITE, REPRODUCED, UNDECIDED, verdict
from caffelungo.study.findings import Row, advice, findings, recalls, rows
from caffelungo.study.statistics import Difference
from tests.study.compared import comparison, right, row


@pytest.mark.parametrize(
    ("interval", "paper", "said"),
    [
        ((1, 3), 2.0, REPRODUCED),
        ((-3, -1), -0.3, REPRODUCED),
        ((-3, -1), 2.0, OPPOSITE),
        ((1, 3), -2.0, OPPOSITE),
        ((-1, 3), 2.0, UNDECIDED),
        ((0, 3), 2.0, UNDECIDED),
        ((1, 3), None, "yes"),
        ((-3, -1), None, "no, the opposite"),
        ((-1, 1), None, "not shown"),
    ],
)
def test_verdicts(interval: tuple[float, float], paper: float | None, said: str) -> None:
    assert verdict(Difference(sum(interval) / 2, *interval), paper) == said


def test_rows() -> None:
    """All ten right against none: every draw says 100 points."""
    found = rows(
        comparison(row("finetune", "NEW", 0, 0), row("wider", "NEW", 10, 10), row("wide", "NEW", failure="no"),
                   row("finetune", "ALL", 5, 5)),
        "NEW",
    )  # fmt: skip
    reference, wider, wide = found
    assert reference.gain is None
    assert reference.accuracy is not None
    assert (reference.accuracy.mean, reference.accuracy.low, reference.accuracy.high) == (0, 0, 0)
    assert wider.gain == Difference(100, 100, 100)
    assert (wide.accuracy, wide.gain, wide.failed) == (None, None, "no")


def test_a_gain_is_over_the_same_depth_without_a_task_between() -> None:
    made = comparison(
        row("finetune", "NEW", 1, 1), row("finetune", "ALL", 5, 5), row("finetune", "ALL", 7, 9, after="finetune")
    )
    plain, after = rows(made, "ALL")
    assert plain.gain is None
    assert after.gain is not None
    assert after.gain.mean == pytest.approx(30)


def test_no_gain_over_what_failed() -> None:
    found = rows(comparison(row("finetune", "NEW", failure="no"), row("wider", "NEW", 9)), "NEW")
    assert [one.gain for one in found] == [None, None]


def test_claims_of_the_arms_that_were_trained() -> None:
    made = comparison(
        row("finetune", "NEW", 2, 2), row("wider", "NEW", 9, 9), row("deeper", "NEW", failure="no"),
        row("normalized", "NEW", 9, 9), row("finetune", "TOP", 9, 9), row("wider", "TOP", 2, 2),
    )  # fmt: skip
    found = {(one.claim.label, one.tune): one for one in findings(made)}
    assert set(found) == {("wider > finetune", "NEW"), ("wider > normalized", "NEW"), ("wider > finetune", "TOP")}
    new = found["wider > finetune", "NEW"]
    assert new.found.mean == pytest.approx(70)
    assert (new.paper, new.verdict) == (3.18, REPRODUCED)
    control = found["wider > normalized", "NEW"]
    assert (control.found, control.paper, control.verdict) == (Difference(0, 0, 0), None, "not shown")
    assert found["wider > finetune", "TOP"].verdict == OPPOSITE


def test_the_number_of_units_that_validation_preferred_on_both_sides() -> None:
    made = comparison(
        row("wider", "ALL", 9, units=8, validation=0.9), row("wider", "ALL", 1, units=16, validation=0.8),
        row("deeper", "ALL", 3, units=8, validation=0.1), row("deeper", "ALL", 8, units=16, validation=0.9),
    )  # fmt: skip
    (one,) = findings(made)
    assert (one.claim.label, one.units) == ("wider > deeper", 8)
    assert one.found.mean == pytest.approx(60)


def test_claims_about_a_task_between() -> None:
    made = comparison(
        row("wider", "ALL", 5), row("wider", "ALL", 8, after="wider"), row("wider", "ALL", 6, after="finetune")
    )
    found = {one.claim.label: one.found.mean for one in findings(made)}
    assert found == pytest.approx({"wider after wider > wider": 30, "wider after wider > wider after finetune": 20})


def test_every_claim_has_words_of_its_own() -> None:
    assert len({claim.words for claim in CLAIMS}) == len({claim.label for claim in CLAIMS}) == len(CLAIMS)


def of(one: Row) -> str:
    return one.outcome.configuration.label


def test_the_cheapest_that_is_as_good() -> None:
    """Deeper is worse in every draw; normalized trains in a tenth of the time of the best and equals it."""
    best = row("wider", "ALL", 9, 9, validation=0.9, seconds=20)
    made = comparison(
        row("finetune", "ALL", 9, 9, validation=0.7, seconds=5), best,
        row("deeper", "ALL", 0, 0, validation=0.6, seconds=1),
        row("normalized", "NEW", 9, 9, validation=0.8, seconds=2),
    )  # fmt: skip
    found = advice(made)
    assert found is not None
    assert (of(found.best), of(found.cheapest), found.apart) == ("wider", "normalized", Difference(0, 0, 0))
    assert found.above is None
    assert str(found) == (
        'Best on the validation pictures: "WA: new units beside the top layer", everything learns (90.0 % of the test '
        "pictures, 20 CPU s a training). As good within the interval (+0.0 [+0.0, +0.0] points on the test pictures), "
        'in 10% of the time: "control: normalized, no new units", only new layers learn (90.0 % of the test pictures, '
        "2.0 CPU s a training)."
    )


def test_none_that_is_cheaper() -> None:
    made = comparison(row("finetune", "ALL", 0, validation=0.1, seconds=1), row("wider", "ALL", 9, validation=0.9))
    found = advice(made)
    assert found is not None
    assert found.cheapest is found.best
    assert "None that trains faster is as good" in str(found)


def test_chosen_on_validation_and_said_where_the_test_disagrees() -> None:
    made = comparison(row("finetune", "ALL", 10, validation=0.4, seconds=9), row("wider", "ALL", 0, validation=0.5))
    found = advice(made)
    assert found is not None
    assert of(found.best) == "wider"
    assert found.above is not None
    assert of(found.above) == "finetune"
    assert "Better than the best on the test pictures, by +100.0 [+100.0, +100.0] points" in str(found)


def test_equal_on_validation_the_faster_is_best() -> None:
    found = advice(comparison(row("wider", "ALL", 9, seconds=9), row("finetune", "ALL", 9, seconds=1)))
    assert found is not None
    assert of(found.best) == "finetune"


def test_nothing_was_trained() -> None:
    made = comparison(row("finetune", "ALL", failure="no"))
    assert advice(made) is None
    assert findings(made) == []


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
