"""A training that tells several labels, resumed or killed: no bit is changed, thresholds of the best weights among
them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from caffelungo.projects.finetune_project import ProjectOptions, finetune_project
from caffelungo.solve import run_training
from caffelungo.solve.options import TrainOptions
from caffelungo.weights.load import load
from tests.projects import labelled
from tests.solve.test_kill import ITERATIONS, survive

CHANGED = {"max_iter": str(ITERATIONS), "test_interval": "4", "snapshot": "4", "base_lr": "0.01"}


def make_labelled(folder: Path) -> Path:
    """A project of `lungo finetune` for pictures with several labels, from scratch."""
    spot = folder.parent / "spot"
    if not spot.exists():
        spot.mkdir()
        labelled.tags(spot, 24)
        labelled.net(spot)
    finetune_project(ProjectOptions(str(spot / "tiny.prototxt"), str(spot / "tags.csv"), str(folder), weights="none"))
    (folder / "out").mkdir()
    path = folder / "solver.prototxt"
    text = path.read_text()
    for name, value in CHANGED.items():
        text, often = re.subn(rf"\b{name}: \S+", f"{name}: {value}", text)
        assert often == 1, name
    path.write_text(text + 'snapshot_prefix: "out/snap"\n')
    return folder


def test_a_resumed_training_leaves_what_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, parts in (("whole", [12]), ("parts", [8, 12])):
        monkeypatch.chdir(make_labelled(tmp_path / name))
        for number, end in enumerate(parts):
            run_training.train(
                TrainOptions(solver="solver.prototxt", set_solver=(f"max_iter={end}",), resume=bool(number), workers=0,
                             threads=1, quiet=True, device="cpu")
            )  # fmt: skip
        found.append([load(f"out/snap_{one}.caffemodel") for one in ("iter_12", "best")])
    for first, second in zip(*found, strict=True):
        assert first.layers.keys() == second.layers.keys()
        for layer, blobs in first.layers.items():
            assert [one.tobytes() for one in blobs] == [one.tobytes() for one in second.layers[layer]]
    assert len(found[0][1].extras.threshold) == 3
    assert list(found[0][1].extras.threshold) == list(found[1][1].extras.threshold)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_kills_change_no_bit(tmp_path: Path) -> None:
    survive(tmp_path, 2, 0, make_labelled)
    kept = [load(str(path)).extras.threshold for path in sorted(tmp_path.glob("*/out/snap_best.caffemodel"))]
    assert len(kept) >= 2
    assert len(kept[0]) == 3
    assert all(list(one) == list(kept[0]) for one in kept)
