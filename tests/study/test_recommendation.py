"""What is said to be used: a winner only where there is one."""

from __future__ import annotations

from caffelungo.study.claim_findings import ArmRow
from caffelungo.study.recommendation import Advice, advice
from caffelungo.study.search import Outcome
from tests.study.compared import comparison, probe, row


def of(one: ArmRow | None) -> str:
    assert one is not None
    return one.outcome.configuration.label


def told(*outcomes: Outcome) -> Advice:
    found = advice(comparison(*outcomes))
    assert found is not None
    return found


def test_the_cheapest_that_is_as_good() -> None:
    """Deeper is worse in every draw; normalized trains in a tenth of the time of the best and equals it."""
    found = told(
        row("finetune", "ALL", 9, 9, validation=0.7, seconds=5),
        row("wider", "ALL", 9, 9, validation=0.9, seconds=20),
        row("deeper", "ALL", 0, 0, validation=0.6, seconds=1),
        row("normalized", "NEW", 9, 9, validation=0.8, seconds=2),
    )
    assert (of(found.best), of(found.cheapest)) == ("wider", "normalized")
    assert found.apart is not None
    assert found.apart.mean == 0
    assert found.above is None
    assert str(found) == (
        'Highest accuracy on the validation pictures: "WA: new units beside the top layer", everything learns (90.0 % '
        "of the test pictures, 20 s per training). Not distinguishable from it (+0.0 [+0.0, +0.0] points on the test "
        'pictures), in 10% of the time: "control: normalized, no new units", only new layers learn (90.0 % of the test '
        "pictures, 2.0 s per training)."
    )


def test_none_that_is_cheaper() -> None:
    found = told(row("finetune", "ALL", 0, validation=0.1, seconds=1), row("wider", "ALL", 9, validation=0.9))
    assert found.cheapest is None
    assert "No cheaper arm is indistinguishable" in str(found)


def test_what_beats_the_bar_and_what_does_not() -> None:
    better = told(row("wider", "ALL", 10, 10, validation=0.9), probe("conv1", 2, 2, validation=0.2))
    assert 'It beats the bar by +80.0 [+50.0, +100.0] points: "linear classifier on conv1"' in str(better)
    equal = told(row("wider", "ALL", 5, 5, validation=0.9), probe("conv1", 5, 5, validation=0.2))
    assert "not distinguishable from the bar (+0.0 [+0.0, +0.0] points)" in str(equal)
    assert "beats" not in str(equal)
    # It is named once, though it is also the cheapest that is as good.
    assert str(equal).count("conv1") == 1
    worse = told(row("wider", "ALL", 0, 0, validation=0.9), probe("conv1", 10, 10, validation=0.2))
    assert "The bar is better, by +100.0 [+100.0, +100.0] points" in str(worse)
    best = told(row("wider", "ALL", 5, 5, validation=0.1), probe("conv1", 5, 5, validation=0.2))
    assert "That is the bar: training is not shown to be worth its time." in str(best)


def test_chosen_on_validation_and_said_where_the_test_disagrees() -> None:
    found = told(row("finetune", "ALL", 10, validation=0.4, seconds=9), row("wider", "ALL", 0, validation=0.5))
    assert (of(found.best), of(found.above)) == ("wider", "finetune")
    assert "Better on the test pictures, by +100.0 [+100.0, +100.0] points" in str(found)


def test_what_is_ahead_by_chance_is_not_named() -> None:
    """Nine of ten against five would be told of alone, but not among thirty."""
    ahead, best = row("deeper", "ALL", 9, validation=0.1), row("finetune", "ALL", 5, validation=0.9)
    assert told(best, ahead).above is not None
    others = [row("wider", "ALL", 5, units=units, validation=0.1) for units in range(1, 31)]
    assert told(best, ahead, *others).above is None


def test_equal_on_validation_the_faster_is_best() -> None:
    assert of(told(row("wider", "ALL", 9, seconds=9), row("finetune", "ALL", 9, seconds=1)).best) == "finetune"


def test_nothing_was_trained() -> None:
    assert advice(comparison(row("finetune", "ALL", failure="no"))) is None
