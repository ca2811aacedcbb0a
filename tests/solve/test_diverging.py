"""Runs whose loss has risen for good are stopped, those that only jump are not; and nets that answer one class."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from caffelungo.errors import RunError
from caffelungo.solve import run_training
from caffelungo.solve.constant_answers import Answers
from caffelungo.solve.diverging import Diverging
from tests.solve import helpers

GOOD = Path("s_iter_20.solverstate")


def hear(losses, chance: float | None = math.log(10), patience: int = 50) -> tuple[str, list[str]]:
    """What stops a run with these losses, and what is said."""
    said: list[str] = []
    watcher = Diverging(chance, patience, lambda iteration: GOOD if iteration >= 20 else None, said.append)
    try:
        for iteration, loss in enumerate(losses):
            watcher.on_loss(iteration, float(loss))
    except RunError as error:
        return str(error), said
    return "", said


def noise(size: int, spread: float = 0.2) -> np.ndarray:
    return np.random.default_rng(0).normal(1, spread, size).clip(0.05)


DIVERGES = {
    "exploding": (2.7 * 1.6 ** np.arange(60), math.log(10)),
    "high for good": (np.r_[2.7, 60 * noise(100)], math.log(10)),
    "late": (np.r_[2.3 * noise(100), 50 * noise(100)], math.log(10)),
    "a small start": (np.r_[0.01, 0.01 * noise(20), 40 * noise(100)], math.log(10)),
    "a regression that explodes": (0.5 * np.r_[np.ones(10), 1.2 ** np.arange(80)], None),
}  # fmt: skip


@pytest.mark.parametrize("case", DIVERGES)
def test_a_loss_that_has_risen_for_good_stops_the_run(case):
    losses, chance = DIVERGES[case]
    error, _ = hear(losses, chance)
    assert "the training has diverged" in error
    assert "divide base_lr by ten" in error


GOES_ON = {
    "falls": (2.3 * np.exp(-np.arange(300) / 50), math.log(10)),
    "jumps now and then": (np.where(np.arange(300) % 7 == 0, 500.0, 1.0), math.log(10)),
    "begins far above guessing": (80 * noise(300), math.log(10)),
    "rises and comes back": (np.r_[2.3 * noise(20), 60 * np.exp(-np.arange(200) / 20)], math.log(10)),
    "a tuned net that is tuned again": (np.r_[0.001 * noise(30), 1.5 * noise(200)], math.log(10)),
    "a regression that begins near 0": (np.r_[1e-6 * noise(10), 1e-4 * noise(300)], None),
    "a loss that begins at 0": (np.r_[np.zeros(10), noise(300)], None),
    "a negative loss": (-noise(300), None),
}  # fmt: skip


@pytest.mark.parametrize("case", GOES_ON)
def test_other_losses_do_not(case):
    losses, chance = GOES_ON[case]
    error, said = hear(losses, chance)
    assert error == ""
    assert [("times its first value" in text) for text in said] == ([True] if "near 0" in case else [])


def test_the_snapshot_from_before_it_is_named():
    assert f"snapshot from before that is {GOOD}" in hear(np.r_[2.3 * noise(30), 90 * noise(100)])[0]
    assert "no snapshot was written before that" in hear(np.r_[2.3, 90 * noise(100)])[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return helpers.make(tmp_path)


def test_a_run_that_diverges_but_stays_finite_is_stopped(here):
    # Sigmoids keep the features finite, whatever the rate makes of the weights.
    net = helpers.NET.replace('type: "ReLU"', 'type: "Sigmoid"').replace("batch_size: 4", "batch_size: 10")
    helpers.make(here, net, base_lr="1000", momentum="0.9", max_iter="70", snapshot="10")
    with pytest.raises(RunError, match="has diverged") as caught:
        run_training.train(helpers.options())
    assert "newest snapshot from before that is out/s_iter_" in str(caught.value)
    assert run_training.train(helpers.options(overwrite=True, stop_diverged=False)) == 0
    assert run_training.train(helpers.options(overwrite=True, caffe=True)) == 0


def test_one_answer_for_all_samples_is_said(here, capsys):
    dead = helpers.NET.replace("num_output: 6", "num_output: 6 bias_filler { value: -100 }")
    helpers.make(here, dead, max_iter="60", test_interval="20")
    run_training.train(helpers.options())
    told = [line for line in capsys.readouterr().err.splitlines() if "it does not distinguish classes" in line]
    assert len(told) == 1
    assert "for all 10 test samples" in told[0]


def test_a_net_that_learns_is_not_accused(here, capsys):
    helpers.make(here, max_iter="60", test_interval="20")
    run_training.train(helpers.options())
    assert "tells nothing apart" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answers", "labels", "one"),
    [([1, 1, 1], [0, 1, 2], 1), ([1, 1, 0], [0, 1, 2], None), ([1, 1, 1], [1, 1, 1], None)],
)
def test_answers_over_several_batches(here, answers, labels, one):
    import torch

    helpers.make(here, test_interval="20")
    test = helpers.solver().training.tests[0]
    seen = Answers(test, test.opened.plan.layer("accuracy"))
    for answer, label in zip(answers, labels, strict=True):
        scores = torch.nn.functional.one_hot(torch.tensor([answer] * 4), 3).float()
        seen._see(torch.nn.Identity(), (scores, torch.full((4,), float(label))))
    assert seen.take() == one
    assert seen.take() is None
