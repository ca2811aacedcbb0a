"""What the demo says of its ways: the best training, the choice by pictures set aside, differences and their words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from caffelungo.report.metrics_csv import Point
from caffelungo.study.demo.demo_arms import DemoArm, Trained, chosen, differences, table, verdict


def trained(losses: Sequence[float], accuracies: Sequence[float] = ()) -> Trained:
    points = [Point(10 * at, "test", 0, "loss", loss) for at, loss in enumerate(losses)]
    points += [Point(10 * at, "test", 0, "accuracy", one) for at, one in enumerate(accuracies)]
    points.append(Point(20, "train", 0, "loss", 0.001))
    return Trained(Path("best.caffemodel"), 1.5, points)


def arm(letter: str, right: Sequence[int], loss: float = 0.5) -> DemoArm:
    made = DemoArm(letter, f"way {letter}", Path(letter), trained([loss], [0.875]))
    made.right = np.array(right, np.float32)
    made.result = {"accuracy": made.right.mean(), "low": 0.25, "high": 0.755, "right": sum(right), "samples": 8}
    return made


def test_the_best_test_is_that_of_the_lowest_loss_and_of_equals_the_first() -> None:
    found = trained([0.9, 0.5, 0.7, 0.5], [0.6, 0.7, 0.9, 0.8])
    assert found.at == 10
    assert found.best == (0.7, 0.5)


@pytest.mark.parametrize(
    ("losses", "ended"),
    [([0.9, 0.8, 0.7, 0.6], True), ([0.5, 0.8, 0.7, 0.8], True), ([0.5, 0.8, 0.7], False), ([0.9], False), ([], False)],
)
@pytest.mark.parametrize("iterations", [30, 35])
def test_a_training_has_ended_when_no_further_test_is_due(
    losses: Sequence[float], ended: bool, iterations: int
) -> None:
    assert trained(losses).ended(iterations) == ended


@pytest.mark.parametrize(("patience", "ended"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_training_has_ended_when_its_patience_has(patience: int, ended: bool) -> None:
    assert trained([0.9, 0.5, 0.7, 0.5]).ended(100, patience) == ended
    assert not trained([0.9]).ended(100, patience)
    assert not trained([0.9, 0.8]).ended(100, patience)


def test_the_choice_is_by_pictures_set_aside_and_never_by_the_test() -> None:
    good, bad = [1] * 8, [0] * 8
    assert chosen([arm("a", bad, 0.3), arm("b", good, 0.4), arm("c", good, 0.3)]).letter == "a"


def fourfold(a: Sequence[int], b: Sequence[int], c: Sequence[int], d: Sequence[int], times: int = 1) -> list[DemoArm]:
    return [arm(letter, list(right) * times) for letter, right in zip("abcd", (a, b, c, d), strict=True)]


def test_no_winner_is_named_where_the_interval_touches_zero() -> None:
    """(b) is right on 5 of 8 and (a) on 4: the pairs that differ are 2 against 1."""
    a, b = [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1, 0, 0]
    pairs = differences(fourfold(a, b, b, a))
    said = verdict(pairs).splitlines()
    assert said[0].startswith("(b) and (a) are not distinguishable: +12.5 [")
    assert said[1] == "(c) and (b) are right and wrong on exactly the same pictures."
    assert said[2] == "(a) and (d) are right and wrong on exactly the same pictures."
    assert not any("better" in line for line in said)
    assert pairs[0].apart == 3


def test_a_winner_is_named_where_the_interval_lies_on_one_side() -> None:
    """400 pictures: (b) gains on 100 what (a) misses, (c) loses 150 of them, and (d) knows nothing."""
    a, b = [1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]
    pairs = differences(fourfold(a, b, [1, 0, 0, 0, 0, 0, 0, 0], [0] * 8, times=50))
    said = verdict(pairs).splitlines()
    assert said[0].startswith("(b) is better than (a): (b) minus (a) is +25.0 [")
    assert said[1].startswith("(b) is better than (c): (c) minus (b) is -37.5 [")
    assert said[2].startswith("(a) is better than (d): ")
    # The standard error of the mean of 400 differences that are 1 in a quarter and 0 else: 0.25**0.5 * 0.75**0.5 / 20.
    half = 1.96 * 100 * (0.25 * 0.75) ** 0.5 / 20
    assert pairs[0].difference.low == pytest.approx(25 - half, abs=0.6)
    assert pairs[0].difference.high == pytest.approx(25 + half, abs=0.6)
    assert pairs[0].plain()["points"] == 25.0


def test_the_table_has_every_way_with_its_interval() -> None:
    console = Console(width=80)
    with console.capture() as caught:
        console.print(table(fourfold([1] * 8, [1] * 8, [1] * 7 + [0], [0] * 8)))
    lines = [line for line in caught.get().splitlines() if "way" in line]
    assert len(lines) == 4
    assert "of 8" in caught.get()
    for word in ("(c)", "way c", "88%", "87.5%", "25.0% to 75.5%", " 7 ", "2 s"):
        assert word in lines[2]
    assert arm("a", [1]).plain()["best_iteration"] == 0
