"""kill -9 at random moments and inside snapshots: what is resumed gives the losses of the unbroken run, bit for bit."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffelungo.probes import finetune_start
from caffelungo.projects.finetune_project import ProjectOptions, finetune_project
from caffelungo.solve import snapshot
from caffelungo.weights import formats, solverstate
from tests.probes.places import place

ITERATIONS = 40
BEST = ("best_value", "best_iter", "tests_since_best")
"""What a state remembers of the best test."""
CHANGED = {"max_iter": "40", "test_interval": "2", "snapshot": "4", "warmup_iter": "6", "early_stop": "5",
           "base_lr": "0.05"}  # fmt: skip
"""What a prepared solver is given, to come to its early end soon."""

NET = """
name: "small"
layer { name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "pictures.txt" root_folder: "pictures/" batch_size: 5 shuffle: true }
  transform_param { crop_size: 12 mirror: true scale: 0.01 mean_value: 100 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" dropout_param { dropout_ratio: 0.3 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" type: "Nesterov" base_lr: 0.02 momentum: 0.9 weight_decay: 0.001 random_seed: 5
lr_policy: "multistep" gamma: 0.5 stepvalue: 10 stepvalue: 25 iter_size: 2 average_loss: 4 clip_gradients: 5
max_iter: %d display: 3 snapshot: 4 snapshot_prefix: "out/snap"
"""


def make_place(folder: Path) -> Path:
    folder.mkdir()
    (folder / "out").mkdir()
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(3)
    lines = []
    for index in range(17):
        picture = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        picture[..., index % 3] //= 3
        cv2.imwrite(str(folder / "pictures" / f"{index}.png"), picture)
        lines.append(f"{index}.png {index % 3}")
    (folder / "pictures.txt").write_text("\n".join(lines) + "\n")
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(SOLVER % ITERATIONS)
    return folder


class Server:
    """The other end of kill_server.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("kill_server.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.answer() == "ready"

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self, folder: Path, losses: Path, workers: int, resume: bool, slow: float = 0.0) -> int:
        job = {"folder": str(folder), "losses": str(losses), "workers": workers, "resume": resume, "slow": slow}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self.answer())

    def status(self) -> int:
        return int(self.answer())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def read_losses(path: Path) -> list[tuple[int, str]]:
    """Whole lines only: a kill may cut the last one."""
    text = path.read_text() if path.exists() else ""
    return [(int(line.split()[0]), line.split()[1]) for line in text[: text.rfind("\n") + 1].splitlines()]


def broken_inside(out: Path) -> bool:
    """Whether the kill hit a snapshot: a temporary file, or weights without their state."""
    states = {path.name.split(".")[0] for path in out.glob("*.solverstate")}
    models = {path.name.split(".")[0] for path in out.glob("*_iter_*.caffemodel")}
    return bool(list(out.glob(".*.tmp"))) or bool(models - states)


def kill(process: int, out: Path, inside: bool, delay: float) -> None:
    """SIGKILL after ``delay`` seconds; ``inside``: then at the next moment when a snapshot is being written."""
    time.sleep(delay)
    deadline = time.monotonic() + 5
    while inside and not list(out.glob(".*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def survive(tmp_path: Path, kills: int, inside: int, make: Callable[[Path], Path] = make_place) -> None:
    server = Server()
    try:
        whole = make(tmp_path / "whole")
        server.start(whole, tmp_path / "whole.txt", 0, False)
        assert server.status() == 0
        wanted = read_losses(tmp_path / "whole.txt")
        assert [iteration for iteration, _ in wanted] == list(range(last(whole).iteration))
        hit, done = 0, 0
        draw = random.Random(11)
        attempt = 0
        while done < kills:
            folder = make(tmp_path / f"broken{attempt}")
            hit, done = run_until_done(server, folder, kills, inside, hit, done, dict(wanted), draw)
            same_end(whole, tmp_path / f"broken{attempt}")
            attempt += 1
        assert hit >= inside
    finally:
        server.close()


def run_until_done(server, folder, kills, inside, hit, done, wanted, draw) -> tuple[int, int]:
    """One run killed again and again until it ends; counts (inside, all) kills."""
    losses, seen, resume = folder.with_suffix(".txt"), {}, False
    for workers in [0, 1, 3] * 100:
        process = server.start(folder, losses, workers, resume, slow=0.02 if done < kills else 0.0)
        killer = None
        if done < kills:
            aim = hit < inside and done % 2 == 0
            arguments = (process, folder / "out", aim, draw.uniform(0.3, 1.5))
            killer = threading.Thread(target=kill, args=arguments)
            killer.start()
        status = server.status()
        if killer:
            killer.join()
        for iteration, loss in read_losses(losses):
            assert loss == wanted[iteration], f"iteration {iteration} with {workers} workers"
            seen[iteration] = loss
        if status == 0:
            assert seen == wanted
            return hit, done
        assert status == -signal.SIGKILL
        done += 1
        hit += broken_inside(folder / "out")
        newest = snapshot.newest_complete(folder / "out" / "snap")
        assert newest is not None or not list((folder / "out").glob("*.solverstate"))
        resume = newest is not None
        if not resume:
            for path in (folder / "out").glob("*.caffemodel"):
                path.unlink()
    raise AssertionError("never done")


def last(folder: Path) -> snapshot.Snapshot:
    found = snapshot.newest_complete(folder / "out" / "snap")
    assert found is not None
    return found


def same_end(whole: Path, broken: Path) -> None:
    same_weights(last(whole).weights, last(broken).weights)
    first, second = (solverstate.read(last(folder).state) for folder in (whole, broken))
    assert first.iter == second.iter
    assert [h.tobytes() for h in first.history] == [h.tobytes() for h in second.history]
    assert first.extras.smoothed_loss == second.extras.smoothed_loss
    told = [[getattr(state.extras, name) for name in BEST] for state in (first, second)]
    assert told[0] == told[1]
    best = [sorted(folder.glob("out/snap_best*")) for folder in (whole, broken)]
    assert len(best[0]) == len(best[1])
    for a, b in zip(*best, strict=True):
        same_weights(a, b)
    assert not list((broken / "out").glob(".*.tmp"))


def same_weights(one: Path, other: Path) -> None:
    a, b = (formats.read(path).layers for path in (one, other))
    assert a.keys() == b.keys()
    for layer, blobs in a.items():
        for x, y in zip(blobs, b[layer], strict=True):
            assert x.tobytes() == y.tobytes(), layer


def make_started(folder: Path) -> Path:
    """A project that starts from a linear classifier, by `lungo finetune`, to be stopped early."""
    spot = place(folder.parent / "spot")
    options = ProjectOptions(
        str(spot.net), str(spot.data), str(folder), weights=str(spot.weights), layers=("conv1+fire9/concat",),
        batch_size=4, passes=10, seed=5, val=0.34,
    )  # fmt: skip
    finetune_project(options)
    (folder / "out").mkdir()
    path = folder / "solver.prototxt"
    text = path.read_text()
    for name, value in CHANGED.items():
        text, often = re.subn(rf"\b{name}: \S+", f"{name}: {value}", text)
        assert often == 1, name
    path.write_text(text + 'snapshot_prefix: "out/snap"\n')
    return folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_kills_of_a_training_that_starts_from_a_classifier_change_no_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_start, "PENALTIES", (0.1,))
    survive(tmp_path, 3, 0, make_started)
    whole = tmp_path / "whole"
    state = solverstate.read(last(whole).state)
    assert state.iter < ITERATIONS
    assert state.extras.tests_since_best == int(CHANGED["early_stop"])
    assert (whole / "out" / "snap_best.caffemodel").is_file()
    text = (whole / "solver.prototxt").read_text() + (whole / "train_val.prototxt").read_text()
    assert all(word in text for word in ("AdamW", "cosine", "RandomResizedCrop", "keep_best: true", "Normalize"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_twelve_kills_of_a_training_that_starts_from_a_classifier_change_no_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_start, "PENALTIES", (0.1,))
    survive(tmp_path, 12, 3, make_started)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_four_kills_change_no_bit(tmp_path):
    survive(tmp_path, kills=4, inside=1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_twenty_kills_five_of_them_inside_a_snapshot_change_no_bit(tmp_path):
    survive(tmp_path, kills=20, inside=5)
