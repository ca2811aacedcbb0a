"""Choosing rates: by validation pictures only, all seeds, further out where an end is best."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from caffelungo.study.arms import ARMS, Configuration
from caffelungo.study.cells import JSON, Cell, CellResult
from caffelungo.study.comparison_task import Task
from caffelungo.study.search import MEASURE, START, TRAIN, ArmCandidate, Outcome, Search, outcome
from tests.study.compared import LISTS, Told, pictures

LABELS = [0, 1, 1]
TASK = Task([pictures(3, "digest"), pictures(3, "other")], [LISTS, {**LISTS, "fit": "g.txt"}])


def candidate(seeds: int = 1, **more: JSON) -> ArmCandidate:
    configuration = Configuration(ARMS["wider"], "NEW", 8)
    return ArmCandidate(configuration, TASK, "net.prototxt", [f"w{seed}" for seed in range(seeds)], 1.0, 7, **more)


def values(accuracy: float, loss: float = 1.0, *, seconds: float = 1.0, **more: JSON) -> dict[str, JSON]:
    return {
        "validation_accuracy": accuracy, "validation_loss": loss, "predictions": [0, 1, 0], "labels": LABELS,
        "train_seconds": seconds, "parameters": 99, **more,
    }  # fmt: skip


def judged(table: Mapping[float, list[dict[str, JSON] | None]]) -> Outcome:
    """The outcome where ``table`` holds for each rate what each seed came to (None: it failed)."""
    one = candidate(len(next(iter(table.values()))))

    def tell(cell: Cell) -> dict[str, JSON]:
        found = table[cell.fields["rate"]][cell.fields["seed"]]
        if found is None:
            raise ArithmeticError(f"not finite at {cell.fields['rate']}")
        return found

    results: dict[str, CellResult] = {}
    for rate in table:
        results |= Told(tell).run(one.add(rate, 4))
    return outcome(one, results)


def test_the_least_mean_loss_over_seeds() -> None:
    """Accuracy has no say in it: one picture more of forty is no reason."""
    found = judged({
        0.01: [values(0.9, 0.2), values(0.9, 1.2)],
        0.03: [values(0.6, 0.6, seconds=2), values(0.6, 0.6, seconds=4, predictions=[0, 1, 1])],
        0.1: [values(0.7, 0.8), values(0.7, 0.7)],
    })  # fmt: skip
    assert (found.rate, found.validation, found.edge, found.failure) == (0.03, pytest.approx(0.6), False, None)
    assert found.loss == pytest.approx(0.6)
    assert found.right is not None
    assert np.array_equal(found.right, [[True, True, False], [True, True, True]])
    assert (found.seconds, found.parameters, found.iterations) == (3.0, 99, 7)
    assert [tried.rate for tried in found.tried] == [0.01, 0.03, 0.1]
    assert [tried.loss for tried in found.tried] == pytest.approx([0.7, 0.6, 0.75])
    assert [result.values["train_seconds"] for result in found.results] == [2, 4]


def test_a_tie_goes_to_the_higher_accuracy() -> None:
    found = judged({0.01: [values(0.5, 0.7)], 0.03: [values(0.6, 0.7)], 0.1: [values(0.4, 0.7)]})
    assert found.rate == 0.03


@pytest.mark.parametrize(("losses", "edge"), [((1, 2, 3), True), ((2, 1, 3), False), ((3, 2, 1), True)])
def test_ends_of_the_range(losses: tuple[int, ...], edge: bool) -> None:
    rates = (0.01, 0.03, 0.1)
    assert judged({rate: [values(0.5, loss)] for rate, loss in zip(rates, losses, strict=True)}).edge is edge


def test_one_rate_has_no_ends() -> None:
    assert not judged({0.01: [values(0.5)]}).edge


def test_a_rate_at_which_a_seed_failed_is_not_chosen() -> None:
    found = judged({0.01: [values(0.4), values(0.4)], 0.03: [values(0.9), None], 0.1: [None, None]})
    assert (found.rate, found.failure) == (0.01, None)
    # It is shown all the same, and 0.03 was tried, so 0.01 is an end but not the only rate.
    assert [tried.failed for tried in found.tried] == [0, 1, 2]
    assert found.tried[1].accuracy == pytest.approx(0.9)
    assert np.isnan(found.tried[2].accuracy)
    assert found.edge


def test_all_failed() -> None:
    found = judged({0.01: [None], 0.03: [None]})
    assert found.right is None
    assert found.failure == "not finite at 0.01"
    assert not found.results


def test_what_cannot_be_built() -> None:
    found = outcome(candidate(refusal="cannot be built: no"), {})
    assert (found.failure, found.right, found.tried) == ("cannot be built: no", None, [])


def test_an_old_task_is_recalled() -> None:
    one = candidate(1, recalls=Task([pictures(2)], [LISTS]))
    results = Told(lambda cell: values(0.5, recall_predictions=[1, 1], recall_labels=[0, 1])).run(one.add(0.01, 4))
    found = outcome(one, results)
    assert found.recalled is not None
    assert np.array_equal(found.recalled, [[False, True]])


def test_cells() -> None:
    one = candidate(2, more=[{"keep": "weights"}, {"keep": ""}])
    cells = one.add(0.0123456, 4)
    assert [cell.fields["rate"] for cell in cells] == [0.012, 0.012]
    assert not one.add(0.01199, 4)
    assert not one.add(0.0, 4)
    assert dict(cells[0].fields) == {
        "net": "net.prototxt", "weights": "w0", "fit": "f.txt", "validation": "v.txt", "test": "t.txt",
        "pictures": "digest", "rate": 0.012, "seed": 0, "iterations": 7, "batch": 4, "keep": "weights",
    }  # fmt: skip
    assert (cells[1].fields["weights"], cells[1].fields["seed"], cells[1].fields["keep"]) == ("w1", 1, "")
    assert cells[1].title == "wider 8, rate 0.012, seed 1"
    # The second seed has a split of its own.
    assert (cells[1].fields["fit"], cells[1].fields["pictures"]) == ("g.txt", "other")


def test_classifiers_start_once_for_all_rates() -> None:
    one = candidate(2)
    cells = [*one.add(0.01, 4, "probe"), *one.add(0.03, 4, "probe")]
    assert all(cell.fields["heads"] == 0 and cell.kind == TRAIN for cell in cells)
    starts = [cell.needs[0] for cell in cells]
    assert starts[:2] == starts[2:]
    assert dict(starts[1].fields) == {
        "net": "net.prototxt", "weights": "w1", "fit": "g.txt", "pictures": "other", "seed": 1, "batch": 4,
    }  # fmt: skip
    assert starts[0].kind == START
    assert not one.add(0.1, 4, "filler")[0].needs


def test_pictures_that_a_seed_did_not_test_are_none_of_its_row() -> None:
    first, second = pictures(3), pictures(4)
    second.test[:] = second.test[2:]
    found = Task([first, second], [LISTS] * 2).table([[1, 0, 1], [0, 1]])
    assert np.array_equal(found, [[1, 0, 1, np.nan], [np.nan, np.nan, 0, 1]], equal_nan=True)
    with pytest.raises(ValueError, match="2 answers for 3 test pictures"):
        Task([first], [LISTS]).table([[1, 0]])


def searched(
    goodness: Callable[[float], float], extend: int, rates: tuple[float, ...] = (0.01, 0.03, 0.09)
) -> tuple[ArmCandidate, Outcome]:
    one = candidate()

    def tell(cell: Cell) -> dict[str, JSON]:
        found = goodness(cell.fields["rate"])
        if found < 0:
            raise ArithmeticError("not finite")
        return values(0.5, 1 - found)

    return one, Search(Told(tell), 4, rates, extend=extend).run([one])[0]  # type: ignore[arg-type]


def test_the_range_grows_upwards_until_its_end_is_not_best() -> None:
    one, found = searched(lambda rate: 1 - abs(rate - 0.27), 5)
    assert sorted(one.cells) == [0.01, 0.03, 0.09, 0.27, 0.81]
    assert (found.rate, found.edge) == (0.27, False)


def test_the_range_grows_downwards_as_often_as_it_may() -> None:
    one, found = searched(lambda rate: 1 - rate, 2)
    assert sorted(one.cells) == [0.0011, 0.0033, 0.01, 0.03, 0.09]
    assert (found.rate, found.edge) == (0.0011, True)
    assert sorted(searched(lambda rate: 1 - rate, 0)[0].cells) == [0.01, 0.03, 0.09]


def test_the_range_does_not_grow_where_its_middle_is_best() -> None:
    assert len(searched(lambda rate: rate == 0.03, 3)[0].cells) == 3


def test_lower_rates_where_all_failed() -> None:
    one, found = searched(lambda rate: 0.1 if rate < 0.002 else 0.5 if rate < 0.005 else -1, 2)
    assert found.rate == 0.0033
    assert sorted(one.cells) == [0.0011, 0.0033, 0.01, 0.03, 0.09]


@pytest.mark.parametrize(
    ("start", "heads", "middle"),
    [("probe", {"score": {"penalty": 1.0}}, 5e-5), ("probe", {}, 0.0005), ("filler", {}, 0.0005)],
)
def test_a_fitted_classifier_has_lower_rates(start: str, heads: dict[str, JSON], middle: float) -> None:
    """Lower by a tenth, where it does start fitted; one whose answers are not linear starts from its filler."""
    one = candidate()

    def tell(cell: Cell) -> dict[str, JSON]:
        if cell.kind == START:
            return {"heads": heads, "why_not": {}}
        if cell.kind == MEASURE:
            return {"energy": 1000.0, "lr_mult": 10.0, "layers": 1}
        return values(0.5, abs(cell.fields["rate"] - middle))

    found = Search(Told(tell), 4, start=start).run([one])[0]  # type: ignore[arg-type]
    assert (found.rate, found.edge) == (middle, False)


def test_rates_around_what_is_measured() -> None:
    one, other = candidate(), candidate()
    other.net = "other.prototxt"

    def tell(cell: Cell) -> dict[str, JSON]:
        if cell.kind != MEASURE:
            return values(0.5, float(cell.fields["rate"] != 0.0005))
        if cell.fields["net"] == "other.prototxt":
            raise ArithmeticError("no pictures")
        assert cell.fields["list"] == "f.txt"
        return {"energy": 1000.0, "lr_mult": 10.0, "layers": 1}

    told = Told(tell)
    search = Search(told, 4)  # type: ignore[arg-type]
    first, second = search.run([one, other])
    # 5 / (1000 x 10) and three times less and more.
    assert sorted(one.cells) == [0.00017, 0.0005, 0.0015]
    assert first.rate == 0.0005
    assert second.failure == "its features cannot be measured: no pictures"
    assert len(search.results) == 3
