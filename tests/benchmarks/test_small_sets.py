"""The benchmark of small sets: splits that do not overlap, and a page from results that are there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.small_sets.arms import Job
from benchmarks.small_sets.splits import split
from benchmarks.small_sets.table import difference, page


def photos(folder: Path, count: int) -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(folder / name / f"{number}.png")


def names(folder: Path) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in folder.glob("*/*.png")}


def test_a_seed_draws_three_tenths_of_each_class_to_judge_by(tmp_path: Path) -> None:
    photos(tmp_path / "set", 10)
    for seed in (0, 1):
        split(tmp_path / "set", tmp_path / str(seed), seed)
        learned, judged = names(tmp_path / str(seed) / "train"), names(tmp_path / str(seed) / "test")
        assert learned | judged == names(tmp_path / "set")
        assert not learned & judged
        assert sorted(name.split("/")[0] for name in judged) == ["cat"] * 3 + ["dog"] * 3
    assert names(tmp_path / "0" / "test") != names(tmp_path / "1" / "test")


def test_a_split_of_its_own_is_kept_and_its_validation_part_is_learned_from(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        photos(tmp_path / "set" / part, 2)
    split(tmp_path / "set", tmp_path / "out", 0)
    assert len(names(tmp_path / "out" / "train")) == 8
    assert names(tmp_path / "out" / "test") == {f"{name}/test_{k}.png" for name in ("cat", "dog") for k in (0, 1)}


def testdifferences_are_paired_and_what_is_missing_is_a_dash(tmp_path: Path) -> None:
    jobs = [Job("set", 0, arm, tmp_path, tmp_path, 64, "fp32") for arm in ("probe", "finetune", "classic")]
    for job, wrong in zip(jobs[1:], (2, 6), strict=True):
        right = 20 - wrong
        found = {"accuracy": right / 20, "balanced": right / 20, "samples": 20, "right": right, "seconds": 5, "cpu": 7}
        found |= {"date": "2026-01-02", "torch": "2.14", "wrong": [f"cat/{k}.png" for k in range(wrong)]}
        job.result.write_text(json.dumps(found))
    text = page(jobs, "fp32", 64)
    assert "| set | 1 | - | 90.0 [69.9, 97.2] (90.0; 7 s) | 70.0 [48.1, 85.5] (70.0; 7 s) | - |" in text
    row = next(line for line in text.splitlines() if line.startswith("| set | +20.0 (classic)"))
    low, high = (float(word.strip("[],|")) for word in row.split("|")[3].split()[1:])
    assert 0 < low < 20 < high


def test_photos_that_only_the_defaults_get_wrong_count_against_them() -> None:
    mine, other = ({"samples": 20, "wrong": wrong} for wrong in (["a", "b"], ["b", "c", "d"]))
    assert difference([(mine, other)]).startswith("+5.0 [")
    assert difference([(other, mine)]).startswith("-5.0 [")
    assert difference([(mine, mine)]) == "+0.0 [+0.0, +0.0]"


def test_a_mean_of_fewer_seeds_than_the_row_has_says_so(tmp_path: Path) -> None:
    found = {"accuracy": 0.5, "balanced": 0.5, "samples": 20, "right": 10, "seconds": 5, "cpu": 7, "wrong": [],
             "date": "2026-01-02", "torch": "2.14"}  # fmt: skip
    jobs = [Job("set", seed, arm, tmp_path, tmp_path, 64, "fp32") for arm in ("finetune", "classic") for seed in (0, 1)]
    for job in jobs[:3]:
        job.result.write_text(json.dumps(found))
    assert "| set | 2 | 50.0 [29.9, 70.1] (50.0; 7 s) | 50.0 [29.9, 70.1] (50.0; 7 s; seeds 1) | - |" in page(
        jobs, "fp32", 64
    )
