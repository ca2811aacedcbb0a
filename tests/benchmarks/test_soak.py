"""A short form of `make soak`: some damaged inputs of every kind, and some kills; and that faults would be seen."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import extremes, forked, inputs, kills
from benchmarks.soak.mutate import BINARY, TEXT, mutated
from tests.support import REPOSITORY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def soak(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.soak", *words, "--folder", str(tmp_path / "soak")]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)


def test_some_damaged_inputs_and_kills(tmp_path: Path) -> None:
    """Of all kinds but those that need an exported file, whose damage tests/deploy tries; kills of trainings are
    tried in tests/solve."""
    kinds = [name for name in inputs.kinds(tmp_path) if name not in (inputs.ONNX, inputs.PICTURE)]
    done = soak(tmp_path, "inputs", "kills", "--inputs", "65", "--kinds", *kinds, "--kills", "2", "--cases", "convert")
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "| HDF5 data | 5 |" in done.stdout
    assert "| convert_imageset |" in done.stdout


def test_damage_is_a_function_of_the_generator() -> None:
    seeds = [b'layer { name: "a" num: 3 }\n' * 5, bytes(range(256))]
    for text in (True, False):
        made = [mutated(random.Random(k), seeds[not text], seeds, text) for k in range(200)]
        assert made == [mutated(random.Random(k), seeds[not text], seeds, text) for k in range(200)]
        assert len(set(made)) > 150
    for mutation in (*TEXT, *BINARY):
        assert any(mutation(random.Random(k), seeds[0], seeds) != seeds[0] for k in range(20))


@pytest.mark.parametrize("fault", ["raise", "hang", "die", "grow", "status"])
def test_a_fault_is_seen(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of fault, planted in every third input."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "recipe.prototxt").write_text("step { }\n")
    calls = []

    def planted(words: list[str]) -> tuple[int | None, str]:
        calls.append(words)
        if len(calls) % 3:
            return 2, "refused"
        if fault == "raise":
            return None, "Traceback (most recent call last): planted"
        if fault == "hang":
            while True:
                pass
        if fault == "die":
            os.abort()
        if fault == "grow":
            bytearray(b"x" * (64 << 20))
        return (7 if fault == "status" else 0), ""

    monkeypatch.setattr(forked, "lungo", planted)
    monkeypatch.setattr(inputs, "HANG", 0.2)
    monkeypatch.setattr(inputs, "GROWTH", 32 << 10)
    found = inputs.run_kind("recipe", 7, place, tmp_path / "out", seed=0)
    assert found.done == 7
    # After a death the child starts again, and counts anew; memory that was taken once is not taken again.
    assert len(found.failures) == (1 if fault == "grow" else 2)
    row = found.failures[0]
    assert Path(row["kept"]).is_file()
    assert row["repeat"].startswith("lungo grow")
    assert json.dumps(row)


def test_extremes_end_with_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return real(["sleep", "9"], **{**options, "timeout": 0.1})

    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", run)
    text, wrong = extremes.run(tmp_path / "x", until=0.0)
    assert (wrong, "give more --minutes" in text) == (0, True)
    assert (tmp_path / "x" / "pytest.txt").exists()


def test_a_lost_result_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "run"
    (target / "out").mkdir(parents=True)
    case = kills.Case("x", "check a", "check a", "out/*")
    monkeypatch.setattr(forked, "lungo", lambda words: (0, "said"))
    assert kills._killed(case, target, random.Random(0), 0.5, {}, set())[1] == ""
    assert "not as without" in kills._killed(case, target, random.Random(0), 0.5, {"out/y": "1"}, set())[1]
    (target / "out" / ".x.tmp").write_text("")
    assert "left: out/.x.tmp" in kills._killed(case, target, random.Random(0), 0.5, {}, set())[1]
    monkeypatch.setattr(forked, "lungo", lambda words: (1, "full disk"))
    assert "status 1" in kills._killed(case, target, random.Random(0), 0.5, {}, set())[1]
