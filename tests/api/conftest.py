"""A folder such as a user has: photos, a project that trains on them, an exported net, old and wrong files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

import caffelungo as cl
from tests.support import ASSETS, REPOSITORY

OWN = """name: "own"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: {{ units }} } }
layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "score" type: "InnerProduct" bottom: "fc" top: "score" inner_product_param { num_output: 3 } }
"""
WRONG = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "fc" type: "InnerProdct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
"""


def photos(folder: Path, each: int = 5) -> None:
    """Pictures of three colours in folders, and a list of them."""
    lines = []
    for label, colour in enumerate(("blue", "green", "red")):
        (folder / "photos" / colour).mkdir(parents=True)
        for number in range(each):
            picture = Image.new("RGB", (24 + number, 24 + label), colour)
            picture.save(folder / "photos" / colour / f"{number}.png")
            lines.append(f"{colour}/{number}.png {label}\n")
    (folder / "list.txt").write_text("".join(lines))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made once."""
    folder = tmp_path_factory.mktemp("user")
    photos(folder)
    (folder / "nets").mkdir()
    (folder / "nets" / "own.prototxt.j2").write_text(OWN)
    (folder / "wrong.prototxt").write_text(WRONG)
    (folder / "old.prototxt").write_bytes((ASSETS / "valid" / "v1.prototxt").read_bytes())
    (folder / "deploy.prototxt").write_bytes((REPOSITORY / "nets" / "lenet" / "deploy.prototxt").read_bytes())
    before = Path.cwd()
    os.chdir(folder)
    try:
        cl.open("deploy.prototxt").save(weights="lenet.caffemodel")
        cl.finetune("squeezenet1.1", "photos", "mine", size=64, passes=2, layers="fire9/concat", quiet=True)
        cl.open("mine/deploy.prototxt", "mine/start.caffemodel").export("model.onnx")
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def work(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, as the working directory."""
    monkeypatch.chdir(prepared)
    return prepared
