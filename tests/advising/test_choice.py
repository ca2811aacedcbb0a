"""Which features a classifier reads, and that what judges the choice has not seen it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.advising.choice import Chooser, best
from caffelungo.advising.clock import AdviceClock
from caffelungo.advising.kept import KeptResults
from caffelungo.probes.class_correction import ClassCorrection
from tests.advising.made_up import contender, read
from tests.probes.made_up import clusters

QUICK = AdviceClock(60)


def silent(what: str, done: int, total: int) -> None:
    pass


def chooser(features: list[np.ndarray], labels: np.ndarray, groups: tuple[list[int], ...] = ()) -> Chooser:
    net = read()
    many = [contender(net, f"layer{number}", x) for number, x in enumerate(features)]
    return Chooser(many, labels, int(labels.max()) + 1, groups, ClassCorrection(), 0)


def test_the_layer_that_tells_the_classes_apart_is_chosen(tmp_path: Path) -> None:
    x, y = clusters(60, 8, 3, apart=2.0)
    noise = np.random.default_rng(1).normal(size=x.shape)
    made = chooser([noise, x], y)
    rows = made.rows(KeptResults(tmp_path), QUICK, silent)
    assert best(rows).contender.candidate.name == "layer1"
    assert best(rows).accuracy > 0.9 > rows[0].accuracy
    found = made.judged(KeptResults(tmp_path), QUICK, silent)
    assert {pick.candidate.name for pick in found.picks} == {"layer1"}
    assert found.judged.all()
    assert found.right(y).mean() > 0.9
    assert np.allclose(found.probabilities.sum(1), 1)


def test_a_choice_among_noise_is_judged_at_chance(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    made = chooser([rng.normal(size=(60, 3)) for _ in range(5)], labels)
    found = made.judged(KeptResults(tmp_path), QUICK, silent)
    assert abs(found.right(labels).mean() - 0.5) < 0.16  # 2.5 standard errors of 60 guesses


def test_copies_are_on_one_side(tmp_path: Path) -> None:
    _, labels = clusters(40, 2, 2)
    made = chooser([np.random.default_rng(0).normal(size=(40, 2))], labels, ([0, 39], [3, 4, 5]))
    folds = made.judged(KeptResults(tmp_path), QUICK, silent).folds
    assert folds[0] == folds[39]
    assert len({folds[3], folds[4], folds[5]}) == 1


def test_without_time_one_fold_judges(tmp_path: Path) -> None:
    x, y = clusters(40, 4, 2, apart=2.0)
    found = chooser([x], y).judged(KeptResults(tmp_path), AdviceClock(1e-6), silent)
    assert len(found.picks) == 1
    assert (found.predictions[found.folds != 0] == -1).all()
    assert (found.predictions[found.folds == 0] >= 0).all()
    assert len(found.right(y)) == int((found.folds == 0).sum())


def test_without_time_only_the_first_net_is_compared(tmp_path: Path) -> None:
    x, y = clusters(30, 4, 2, apart=2.0)
    first, other = contender(read(), "one", x), contender(read("other"), "one", x)
    made = Chooser([first, other], y, 2, (), ClassCorrection(), 0)
    assert [row.contender for row in made.rows(KeptResults(tmp_path), AdviceClock(1e-6), silent)] == [first]
    assert made.contenders == [first]


def test_what_is_kept_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clusters(30, 4, 2, apart=2.0)
    made = chooser([x], y)
    first = made.judged(KeptResults(tmp_path), QUICK, silent)
    monkeypatch.setattr(made, "_fold", lambda learned: pytest.fail("computed again"))
    again = made.judged(KeptResults(tmp_path), QUICK, silent)
    assert (first.predictions == again.predictions).all()
    others = chooser([x + 1], y)
    monkeypatch.setattr(others, "_fold", lambda learned: pytest.fail("computed again"))
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        others.judged(KeptResults(tmp_path), QUICK, silent)
