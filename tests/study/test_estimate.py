"""How long a comparison will take, by what is known of its trainings."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from caffelungo.errors import UserError
from caffelungo.study import estimate
from caffelungo.study.arms import ARMS, Configuration
from caffelungo.study.search import ArmCandidate
from tests.study.compared import TASK


def candidate(net: str, effort: float, iterations: int = 10) -> ArmCandidate:
    return ArmCandidate(Configuration(ARMS["finetune"], "NEW"), TASK, net, ["", ""], effort, iterations)


def kept(folder: Path, net: str, seconds: float, **more: object) -> None:
    """A training that is done."""
    fields = {"net": net, "iterations": 10, "batch": 4}
    record = {
        "kind": "caffelungo.study.train_cell:train",
        "fields": fields,
        "status": "done",
        "seconds": seconds,
        **more,
    }
    target = folder / "cells" / f"{net}{seconds:g}"
    target.mkdir(parents=True)
    (target / "result.json").write_text(json.dumps(record))


def told(folder: Path, *ones: ArmCandidate, workers: int = 2) -> estimate.TimeEstimate | None:
    return estimate.estimate(ones, folder, rates=3, batch=4, workers=workers, threads=1, device="cpu")


def test_by_trainings_that_are_done(tmp_path: Path) -> None:
    """Two of 10 and 20 seconds: three rates and two seeds of 15, by two workers. What failed says nothing."""
    kept(tmp_path, "a", 10)
    kept(tmp_path, "a", 20)
    kept(tmp_path, "a", 900, status="failed")
    found = told(tmp_path, candidate("a", 5.0))
    assert found is not None
    assert found.seconds == pytest.approx(3 * 2 * 15 / 2)
    assert found.words.startswith("about 45 s (from finished trainings)")


def test_by_steps_between_the_cheapest_and_the_dearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 s at an effort of 1, 0.3 s at 3: 0.2 s at 2. Ten steps, and 22 pictures forward at a third of a step of 4."""
    monkeypatch.setattr(estimate, "_step", lambda one, *_: one.effort / 10)
    found = told(tmp_path, candidate("a", 1), candidate("b", 2), candidate("c", 3), workers=1)
    assert found is not None
    assert found.measured == 2
    assert found.seconds == pytest.approx(6 * (0.1 + 0.2 + 0.3) * (10 + 22 / 4 / 3))
    assert told(tmp_path) is None


@pytest.mark.parametrize(("seconds", "words"), [(89, "about 89 s"), (600, "about 10 min"), (7200, "about 2.0 h")])
def test_words(seconds: float, words: str) -> None:
    assert estimate.TimeEstimate(seconds, 2).words.startswith(words + " (from steps of 2 nets timed now)")


def test_how_many_at_a_time() -> None:
    assert estimate.workers_for("cpu") == os.cpu_count()
    assert estimate.workers_for("cpu", 3) == 3
    with pytest.raises(UserError, match="unknown device"):
        estimate.workers_for("gpu")
