"""The benchmark of augmentations: its arms exist, and its table pairs each with the default."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.augmentation import ARMS, WORDS, ArmJob, page
from caffelungo.projects.augmentation_choice import steps


def test_every_arm_can_be_asked_for() -> None:
    assert all(len(steps(words)) == bool(words) for words in WORDS.values())
    assert list(ARMS) == list(WORDS)


def test_gains_are_paired_with_the_default(tmp_path: Path) -> None:
    jobs = [ArmJob("set", 0, arm, tmp_path, tmp_path, 112, "fp32", 8) for arm in ("default", "mixup", "none")]
    for job, wrong in zip(jobs[:2], (6, 2), strict=True):
        right = 20 - wrong
        found = {"accuracy": right / 20, "samples": 20, "wrong": [f"cat/{k}.png" for k in range(wrong)]}
        job.result.write_text(json.dumps(found))
    lines = page(jobs).splitlines()
    assert lines[2] == "| default | 70.0 [48.1, 85.5] (1) |"
    assert lines[3].startswith("| mixup | 90.0 [69.9, 97.2]; +20.0 [")
    assert lines[4] == "| none | - |"
