"""`lungo check` names copies across the lists of TRAIN and TEST."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from caffelungo.check.files import check
from tests.data.make import photo, save

NET = """layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 8 } image_data_param { source: "train.txt" batch_size: 2 } }
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 8 } image_data_param { source: "test.txt" batch_size: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2
  weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 snapshot_prefix: "s" test_iter: 2\n'
SOLVER += "test_interval: 1\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        save(tmp_path / f"{number}.png", photo(number))
    shutil.copy("0.png", "4.png")
    with Image.open("1.png") as image:
        image.resize((120, 90), Image.Resampling.BICUBIC).save("5.png")
    Path("train.txt").write_text("".join(f"{number}.png {number % 2}\n" for number in range(4)))
    Path("test.txt").write_text("".join(f"{number}.png {number % 2}\n" for number in range(4, 8)))
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


@pytest.mark.parametrize("file", ["net.prototxt", "solver.prototxt"])
def test_copies_across_the_two_lists(place: Path, file: str) -> None:
    report = check([file])
    assert report.problems == []
    (said,) = [one for one in report.notices if "training list" in one]
    assert said.startswith("2 test pictures are in the training list, too (1 equal; 1 nearly equal")
    assert "4.png = 0.png" in said
    assert "5.png ~ 1.png" in said


def test_nothing_is_said_of_one_list_for_both_nor_without_data(place: Path) -> None:
    assert not [one for one in check(["net.prototxt"], data=False).notices if "training list" in one]
    Path("net.prototxt").write_text(NET.replace("test.txt", "train.txt"))
    assert not [one for one in check(["net.prototxt"]).notices if "training list" in one]
