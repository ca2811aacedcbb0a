"""The benchmark of tasks one after the other: photos that do not overlap, and a page from results that are there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import continual
from benchmarks.continual import TASKS, WAYS, Run, draw, page
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights


def test_photos_to_judge_by_are_others_and_a_seed_draws_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continual, "LEARNED", 3)
    monkeypatch.setattr(continual, "JUDGED", 4)
    for task in TASKS:
        for name in ("b", "a"):
            (tmp_path / "set" / task / name).mkdir(parents=True)
            for number in range(6):
                (tmp_path / "set" / task / name / f"{number}.jpg").write_bytes(b"x")
    for seed in (0, 1):
        draw(tmp_path / "set", tmp_path / str(seed), seed)
    folder = tmp_path / "0"
    learned, judged = (
        {f"{path.parent.name}/{path.name}" for path in (folder / TASKS[0] / part).glob("*/*")}
        for part in ("train", "test")
    )
    assert (len(learned), len(judged), learned & judged) == (6, 6, set())
    listed = (folder / f"{TASKS[0]}.txt").read_text().splitlines()
    assert sorted(line.rsplit("/", 1)[0].rsplit("/", 1)[1] + line[-1] for line in listed) == ["a0"] * 3 + ["b1"] * 3
    assert all(Path(line.rsplit(" ", 1)[0]).exists() for line in listed)
    assert (tmp_path / "1" / f"{TASKS[0]}.txt").read_text() != (folder / f"{TASKS[0]}.txt").read_text().replace(
        "/0/", "/1/"
    )


def test_a_teacher_answers_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    layers = {name: [np.zeros((2, 3), np.float32)] for name in ("fc", "teacher/fc", "teacher2/fc")}
    formats.write(path, Weights(layers))
    assert sum(blob.size for blob in continual._blobs(path)) == 6


def test_a_page_of_what_is_there(tmp_path: Path) -> None:
    runs = [Run(way, seed, tmp_path / str(seed), 64, 8) for seed in (0, 1) for way in ("first", *WAYS)]
    ends = {"first": [60.0], "grown": [60.0, 50.0, 40.0], "sequential": [45.0, 51.0, 42.0]}
    for one in runs:
        if one.way in ends and (one.seed, one.way) != (1, "sequential"):
            one.result.parent.mkdir(exist_ok=True)
            values = [value + one.seed for value in ends[one.way]]
            one.result.write_text(
                json.dumps(
                    {
                        "accuracies": values,
                        "learned": [60.0 + one.seed, *values[1:]],
                        "parameters": 1234,
                        "seconds": 20,
                    }
                )
            )
    text = page(runs, 64, 8)
    assert "| after the first task | 60.5 (60.0 to 61.0) |" in text
    assert (
        "| `lungo grow --task` | 60.5 (60.0 to 61.0) | 50.5 (50.0 to 51.0) | 40.5 (40.0 to 41.0) | 50.5 | 1,234 | 20 |"
        in text
    )
    assert "one after the other (1 of 2 seeds) | 45.0 (45.0 to 45.0) |" in text
    lost = "trashnet -15.0 (-15.0 to -15.0), clothing 0.0 (0.0 to 0.0)"
    assert f"- `lungo finetune`, one after the other (1 of 2 seeds): {lost}" in text
