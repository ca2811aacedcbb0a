"""`check` refuses what training refuses, and nothing else, whatever is done to a net and its solver.

``python -m tests.check.test_agreement 10000 [SEED]`` tries so many damages; pytest tries some.
"""

from __future__ import annotations

import math
import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from benchmarks.soak.mutate import mutated
from caffelungo.check import check_files
from caffelungo.data import resize_pixels
from caffelungo.data.augmentations import random_resized_crop
from caffelungo.errors import Problem, UserError
from caffelungo.layers import fillers
from caffelungo.plan import memory_limits, states
from caffelungo.plan.read_net import read_net
from caffelungo.report.console import Reporter
from caffelungo.solve import before_training, nets, snapshot
from caffelungo.solve.build_training import build_training
from caffelungo.solve.read_solver import read_solver
from caffelungo.solve.validate import solver_problems
from tests.check.test_extremes import MEMORY
from tests.support import needs_shared, shared

NET = """name: "small"
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TRAIN } dummy_data_param {
  shape { dim: 2 dim: 4 dim: 6 dim: 6 } shape { dim: 2 } data_filler { type: "uniform" } data_filler { value: 1 } } }
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TEST } dummy_data_param {
  shape { dim: 3 dim: 4 dim: 6 dim: 6 } shape { dim: 3 } data_filler { type: "uniform" } data_filler { value: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { name: "w" lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "conv2" type: "Convolution" bottom: "conv" top: "conv2" param { name: "w" } param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "conv2" top: "sum" eltwise_param { operation: SUM } }
layer { name: "relu" type: "ReLU" bottom: "sum" top: "sum" }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" loss_weight: 1 }
"""
WIDE = """name: "wide"
state { stage: "a" }
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 8 mirror: true mean_value: 100 scale: 0.01
    lungo { augmentation { type: "RandomResizedCrop" min_scale: 0.5 } } }
  image_data_param { source: "list.txt" batch_size: 2 shuffle: true new_height: 10 new_width: 10 } }
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST not_stage: "b" }
  transform_param { crop_size: 8 mean_value: 100 scale: 0.01 }
  image_data_param { source: "list.txt" batch_size: 2 new_height: 10 new_width: 10 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 1 weight_filler { type: "msra" }
    bias_filler { value: 0.1 } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv"
  param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 } batch_norm_param { eps: 0.001 } }
layer { name: "sc" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "prelu" type: "PReLU" bottom: "conv" top: "conv" prelu_param { channel_shared: true } }
layer { name: "slice" type: "Slice" bottom: "conv" top: "s1" top: "s2" slice_param { axis: 1 slice_point: 1 } }
layer { name: "lrn" type: "LRN" bottom: "s2" top: "lrn" lrn_param { local_size: 3 } }
layer { name: "cat" type: "Concat" bottom: "s1" bottom: "lrn" top: "cat" concat_param { axis: 1 } }
layer { name: "down" type: "Pooling" bottom: "cat" top: "down"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "down" top: "up"
  convolution_param { num_output: 4 kernel_size: 4 stride: 2 group: 4 weight_filler { type: "bilinear" } } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "cat" top: "crop" crop_param { axis: 2 offset: 1 } }
layer { name: "re" type: "Reshape" bottom: "crop" top: "re" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "drop" type: "Dropout" bottom: "re" top: "re" dropout_param { dropout_ratio: 0.4 } }
layer { name: "fc" type: "InnerProduct" bottom: "re" top: "fc"
  inner_product_param { num_output: 3 axis: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "sm" type: "Softmax" bottom: "fc" top: "sm" include { phase: TEST } }
layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" include { phase: TEST }
  accuracy_param { top_k: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss"
  loss_param { normalization: VALID ignore_label: 7 } }
"""
"""More types, pictures and stages."""
SOLVER = """net: "net.prototxt" type: "SGD" base_lr: 0.01 momentum: 0.9 weight_decay: 0.001 random_seed: 5
lr_policy: "multistep" gamma: 0.5 stepvalue: 10 stepvalue: 25 iter_size: 2 average_loss: 4 clip_gradients: 5
test_iter: 1 test_interval: 5 max_iter: 20 display: 5 snapshot: 5 snapshot_prefix: "snap"
lungo { warmup_iter: 4 warmup_start: 0.1 keep_best: true }
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    write_pictures()
    with small_machine():
        yield


def write_pictures() -> None:
    """The list that ``WIDE`` reads, and its pictures."""
    draw = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(draw.integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(f"{number}.png")
    Path("list.txt").write_text("".join(f"{number}.png {number % 3}\n" for number in range(4)))


def small_machine() -> patch:
    """A machine on which nothing large is made."""
    return patch.multiple(memory_limits, installed=lambda: MEMORY, largest_gpu=lambda: 0)


def trained() -> list[Problem]:
    """What `lungo train` refuses before its first iteration."""
    try:
        definition = read_solver("solver.prototxt")
        if problems := solver_problems(definition.message, definition.where):
            return problems
        snapshot.probe(snapshot.prefix_of(definition.message, definition.path))
        before_training.labels_fit(build_training(definition), Reporter(1, 1, quiet=True))
    except UserError as error:
        return error.problems
    return []


def differs(net: bytes, solver: bytes) -> str | None:
    """What one refuses and the other does not; None where they agree. Other errors than ours come through."""
    Path("net.prototxt").write_bytes(net)
    Path("solver.prototxt").write_bytes(solver)
    checked, refused = check_files(["solver.prototxt"]), trained()
    if bool(checked) == bool(refused):
        return None
    return "\n".join([f"check: {len(checked)}, train: {len(refused)}", *map(str, checked), *map(str, refused)])


def damaged(count: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """So many pairs of a net and a solver, of which one is damaged."""
    draw = random.Random(seed)
    solver = SOLVER.encode()
    for number in range(count):
        net = (WIDE if number % 2 else NET).encode()
        if number % 3:
            yield mutated(draw, net, [net, solver], text=True), solver
        else:
            yield net, mutated(draw, solver, [solver, net], text=True)


def test_all_is_in_order_before_it_is_damaged() -> None:
    for net in (NET, WIDE):
        assert differs(net.encode(), SOLVER.encode()) is None
        assert check_files(["solver.prototxt"]) == []


def test_data_that_do_not_fit_into_memory_are_refused_and_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(filler: Any, shape: Sequence[int], rng: Any) -> Any:
        assert math.prod(shape) < 1 << 20, "the data are made although they do not fit"
        return real(filler, shape, rng)

    real = fillers.fill
    monkeypatch.setattr(fillers, "fill", fill)
    net = NET.replace("shape { dim: 2 } data_filler", "shape { dim: 2147483647 } data_filler")
    assert differs(net.encode(), SOLVER.encode()) is None
    told = [one.what for one in check_files(["solver.prototxt"])]
    assert any("do not fit into the memory of this machine" in what for what in told)


@pytest.mark.parametrize(
    ("old", "new"),
    [("crop_size: 8 mirror", "crop_size: 1000000 mirror"),
     ("new_height: 10 new_width: 10", "new_height: 1000000 new_width: 1000000")],
)  # fmt: skip
def test_a_picture_that_does_not_fit_into_memory_is_refused_and_not_made(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Augmentations are tried on a picture of noise, which is of no such size either."""

    def resized(picture: Any, height: int, width: int, *more: Any) -> Any:
        assert height * width < 1 << 24, "the picture is made although it does not fit"
        return real(picture, height, width, *more)

    real = resize_pixels.resize
    monkeypatch.setattr(random_resized_crop, "resize", resized)
    assert differs(WIDE.replace(old, new, 1).encode(), SOLVER.encode()) is None
    assert check_files(["solver.prototxt"])


@pytest.mark.parametrize(
    ("prefix", "more", "remedy"),
    [
        ("snap" + "\U0001f600" * 300, "", "choose a shorter snapshot_prefix"),
        ("a/" * 3000 + "b", "", "choose a shorter snapshot_prefix"),
        ("no/such/folder/snap", "snapshot_after_train: false snapshot: 0", "mkdir -p"),
        ("list.txt/snap", "", "is a file"),
    ],
)
def test_a_prefix_that_cannot_be_written_is_refused_by_both(prefix: str, more: str, remedy: str) -> None:
    solver = SOLVER.replace('"snap"', f'"{prefix}"').replace("snapshot: 5", "") + more
    assert differs(NET.encode(), solver.encode()) is None
    (found,) = check_files(["solver.prototxt"])
    assert found.what.startswith("cannot write to snapshot prefix")
    assert remedy in (found.remedy or "")


@pytest.mark.parametrize("part", range(4))
def test_damages_are_judged_alike(part: int) -> None:
    wrong = [text for net, solver in damaged(60, part) if (text := differs(net, solver))]
    assert not wrong, wrong[0]


@needs_shared
def test_nets_of_the_world_are_judged_alike() -> None:
    """Each mistake that training would name in a state of a public net is one that `check` names."""
    looked = 0
    for path in sorted(shared("corpus").rglob("*.prototxt"))[::4]:
        if path.stat().st_size > 30_000 or re.search("solver|label", path.name):
            continue
        told = {(one.where, one.received) for one in check_files([path])}
        missed = [one for one in opening(path) if (one.where, one.received) not in told]
        assert not missed, (path, *map(str, missed))
        looked += 1
    assert looked > 20


def opening(path: Path) -> list[Problem]:
    """What is wrong with the net in ``path`` where it is opened in the states that it is made for."""
    found: list[Problem] = []
    try:
        definition = read_net(path)
        for one in states.worth(states.judged(definition)):
            try:
                nets.open_net_with_data(nets.from_definition(one.definition), one.state)
            except UserError as error:
                found += error.problems
    except UserError as error:
        found += error.problems
    return found


def main() -> int:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder, small_machine():
        os.chdir(folder)
        write_pictures()
        for number, (net, solver) in enumerate(damaged(count, seed)):
            try:
                wrong = differs(net, solver)
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                failed += 1
                print(f"== {number}\n{wrong}\n", flush=True)
    print(f"{count} damages, seed {seed}: {failed} judged differently")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
