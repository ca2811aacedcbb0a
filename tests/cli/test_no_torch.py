"""What does not compute answers at once: no help text and no verb that only reads and writes files loads PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from caffelungo.cli.main import VERBS
from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.nets import FIRE
from tests.passes.numbers import random_blobs
from tests.support import ASSETS

PROGRAM = """
import json, os, sys
from caffelungo.cli.main import call
heavy = ("torch", "torchvision", "onnx", "onnxruntime", "onnxscript", "matplotlib", "tensorboard")
for line in json.load(sys.stdin):
    try:
        status = call(line)
    except Exception as error:
        sys.exit(f"{line}: {error!r}")
    found = [name for name in heavy if name in sys.modules]
    if status or found:
        sys.exit(f"{line}: status {status}, loaded {found}")
print("all done")
"""


def calls(folder: Path, lines: list[list[str]]) -> None:
    """Run each of ``lines`` in one fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(lines), capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip
    # What takes long says what it is at.
    assert [line for line in done.stderr.splitlines() if not line.endswith(" ...")] == []
    assert done.returncode == 0
    assert done.stdout.endswith("all done\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A net, an old net, an old solver, and pictures in folders and in a list."""
    (tmp_path / "fire.prototxt").write_text(FIRE)
    for name in ("v1", "old_solver"):
        (tmp_path / f"{name}.prototxt").write_bytes((ASSETS / "valid" / f"{name}.prototxt").read_bytes())
    lines = []
    for label, colour in enumerate(("red", "green", "blue")):
        (tmp_path / "photos" / colour).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (24 + number, 24 + label), colour).save(tmp_path / "photos" / colour / f"{number}.png")
            lines.append(f"{colour}/{number}.png {label}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path


def test_help(tmp_path: Path) -> None:
    calls(tmp_path, [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)])


UNITS = ["--set", "units=8"]
CARDS = (("wider", UNITS), ("deeper", UNITS), ("joint", UNITS), ("recursive", UNITS), ("features", []))


def test_files_in_files_out(folder: Path) -> None:
    found = catalogue.find("lenet")
    net = read_net(found.train_val)
    formats.write(folder / "lenet.caffemodel", Weights(random_blobs(net)), net.message)
    calls(
        folder,
        [
            ["layers"],
            ["layers", "Convolution"],
            ["nets"],
            ["nets", "show", "lenet"],
            ["nets", "copy", "squeezenet1.1", "-o", "own"],
            ["check", "fire.prototxt"],
            ["check", "own/deploy.prototxt", "own/squeezenet_v1.1.caffemodel"],
            ["finetune", "fire.prototxt", "--data", "photos", "-o", "mine"],
            ["finetune", "squeezenet1.1", "--data", "photos", "-o", "mine_too", "--freeze-to", "fire9", "--explain",
             "--caffe-classic"],
            ["check", "mine/solver.prototxt", "mine/deploy.prototxt", "mine/train.txt", "mine_too/solver.prototxt"],
            ["grow", "mine_too/train_val.prototxt", "--widen", "fire9/concat:8", "-o", "mine_too/wide.prototxt",
             "--solver", "mine_too/solver.prototxt", "--diff", "--explain"],
            ["grow", "alexnet", "--deepen", "fc7:16", "-o", "deep.prototxt"],
            ["grow", "own/train_val.prototxt", "--widen", "fire9/concat:8", "--keep-head", "--tune", "new",
             "--weights", "own/squeezenet_v1.1.caffemodel", "-o", "kept/", "--cost"],
            ["diff", "own/squeezenet_v1.1.caffemodel", "kept/train_val.caffemodel", "--csv", "diff.csv", "--units",
             "units.csv"],
            ["diff", "own/squeezenet_v1.1.caffemodel", "kept/train_val.caffemodel", "--json"],
            ["rewrite", "lenet", "--freeze-to", "pool2", "--rate-decay", "0.5", "-o", "tuned.prototxt", "--explain"],
            *(["grow", "fire.prototxt", "--recipe", card, *units, "-o", f"{card}.prototxt"] for card, units in CARDS),
            ["rewrite", "fire.prototxt", "--normalize", "fire9/concat", "--adapters", "all", "-o", "a.prototxt"],
            ["rewrite", "fire.prototxt", "--read", "conv1", "--tune", "new", "-o", "b.prototxt"],
            ["rewrite", "own/deploy.prototxt", "--side", "fire9/concat", "--weights", "own/squeezenet_v1.1.caffemodel",
             "-o", "side.prototxt"],
            ["rewrite", "lenet", "--deploy", "--cast", "all", "--weights", "lenet.caffemodel", "-o", "c.prototxt"],
            ["upgrade_net_proto_text", "v1.prototxt", "v2.prototxt", "--diff"],
            ["upgrade_solver_proto_text", "old_solver.prototxt", "new_solver.prototxt"],
            ["convert_imageset", "-resize_height=16", "-resize_width", "16", "-shuffle=true", "photos/", "list.txt",
             "lmdb"],
            ["compute_image_mean", "lmdb", "mean.binaryproto"],
            ["check", "lmdb", "mean.binaryproto", "photos/red/0.png"],
        ],
    )  # fmt: skip
    assert (folder / "mean.binaryproto").is_file()
    assert (folder / "mine_too" / "wide_solver.prototxt").is_file()
