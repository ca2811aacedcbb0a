"""The recommendation follows from the numbers found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from caffelungo.advising.decide import FEATURES, FINETUNE, UNSURE, decide
from caffelungo.advising.expected import expected_accuracy
from caffelungo.advising.findings import AdviceFindings
from caffelungo.advising.trials import Trial
from tests.advising.made_up import Flags, read, row, shares

COUNT = 100


def trial(gained: int, lost: int, freeze_to: str = "") -> Trial:
    """Of 100 pictures as many are right only after training, and only before."""
    probe = np.arange(COUNT) < 50
    right = probe.copy()
    right[:lost], right[50 : 50 + gained] = False, True
    return Trial(freeze_to, right, probe, 10.0, 20, 30.0)


def found(
    first: Flags | None = None, last: Flags | None = None, per_class: float = 20, trials: tuple[Trial, ...] = (),
    ratio: float = 1.0,
) -> AdviceFindings:  # fmt: skip
    net = read()
    pictures: Any = SimpleNamespace(
        per_class=per_class, ratio=ratio, torn=[], entries=[("a", 0)] * COUNT, labels=np.zeros(COUNT, np.int64)
    )
    last = shares(60, COUNT) if last is None else last
    rows = [row(net, "one", shares(55, COUNT) if first is None else first, 1.1), row(net, "two", last, 1.0)]
    judged: Any = SimpleNamespace(judged=np.ones(COUNT, np.bool_), right=lambda labels: last)
    suspects: Any = SimpleNamespace(suspects=np.zeros(0, np.int64), ranked=lambda: np.zeros(0, np.int64))
    return AdviceFindings(pictures, [net], [], rows, judged, suspects, expected_accuracy(last, None), trials=trials)


def test_few_pictures_near_to_the_source() -> None:
    made = decide(found())
    assert (made.what, made.quadrant) == (FEATURES, "small, near to the source")
    assert made.expected.value == 0.6
    assert "60.0%" in " ".join(made.sentences)


@pytest.mark.parametrize(("per_class", "word"), [(49, "small"), (50, "large")])
def test_many_and_few(per_class: float, word: str) -> None:
    assert decide(found(per_class=per_class)).quadrant.startswith(word)


def test_an_earlier_layer_that_is_better_means_far() -> None:
    made = decide(found(first=shares(80, COUNT), last=shares(50, COUNT)))
    assert made.far
    assert made.what == UNSURE
    assert "one) 80.0%: more than chance explains" in made.sentences[0]


def test_an_earlier_layer_that_is_hardly_better_does_not() -> None:
    assert not decide(found(first=shares(63, COUNT))).far


def test_a_gain_beyond_chance_is_followed() -> None:
    made = decide(found(trials=(trial(12, 2), trial(20, 1, "one"))))
    assert (made.what, made.freeze_to) == (FINETUNE, "one")
    assert 0.7 < made.expected.value < 0.8  # 19 points less what the better of two gains by chance
    assert any("+19.0 points" in sentence for sentence in made.sentences)
    assert any("lungo grow" in sentence for sentence in made.sentences)


def test_a_gain_within_chance_is_not() -> None:
    made = decide(found(trials=(trial(8, 5),)))
    assert made.what == UNSURE
    assert made.expected.value == 0.6
    assert any(sentence.startswith("Not sure between") for sentence in made.sentences)


def test_a_loss_beyond_chance_leaves_the_features() -> None:
    assert decide(found(trials=(trial(0, 15),), per_class=200)).what == FEATURES


def test_no_trial_of_many_pictures_is_not_sure() -> None:
    assert decide(found(per_class=200)).what == UNSURE


def test_classes_of_different_sizes_are_named() -> None:
    sentences = " ".join(decide(found(ratio=4.2)).sentences)
    assert "4.2 times the pictures of the smallest" in sentences
    assert "mean recall" in sentences
