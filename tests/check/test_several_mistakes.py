"""Several independent mistakes in one net: each is reported once, whatever else is wrong in its layer and elsewhere."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.check import check_files
from caffelungo.errors import UserError
from caffelungo.plan.read_net import read_net

NET = """name: "several"
layer { name: "data" type: "ImageData" top: "data" top: "label"
  transform_param { scale: 0.01 }
  image_data_param { source: "list.txt" batch_size: 2 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "relu"
  relu_param { negative_slope: 0.1 } }
layer { name: "pool" type: "Pooling" bottom: "relu" top: "pool"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "lrn" type: "LRN" bottom: "relu" top: "lrn"
  lrn_param { local_size: 3 } }
layer { name: "drop" type: "Dropout" bottom: "lrn" top: "drop"
  dropout_param { dropout_ratio: 0.4 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss"
  loss_weight: 1 }
"""
LIST = "0.png 0\n1.png 1\n2.png 2\n"


@dataclass(frozen=True)
class Mistake:
    """Writes ``after`` in the place of ``before`` in the net, or in the list of pictures; ``pattern``: of the problem.

    Two that change the same text of one ``layer`` are not made together.
    """

    layer: str
    before: str
    after: str
    pattern: str
    listed: bool = False


TABLE = (
    Mistake("data", "batch_size: 2", "batch_size: 0", r"batch_size must be at least 1"),
    Mistake("data", "scale: 0.01", "scale: 0.01 mean_value: 1 mean_value: 2", r"needs one mean_value"),
    Mistake("data", 'source: "list.txt"', 'source: "list.txt" new_height: 8', r"`new_height` and `new_width` must be"),
    Mistake("data", "transform_param {", 'transform_param { lungo { augmentation { type: "Rotat" } }', r"augmentation"),
    Mistake("data", "scale: 0.01", 'scale: 0.01 mean_file: "none.npy"', r"mean file not found"),
    Mistake("list", "1.png 1", "nowhere.png 1", r"picture not found", listed=True),
    Mistake("list", "2.png 2", "2.png two", r"the line has no label", listed=True),
    Mistake("conv", "pad: 1", "pad: 1 strid: 1", r"ConvolutionParameter has no field `strid`"),
    Mistake("conv", "kernel_size: 3", "kernel_size: 0", r"layer `conv` .*kernel_size must be at least 1"),
    Mistake("conv", 'top: "conv"', 'top: "conv" loss_weight: 1 loss_weight: 1', r"layer `conv` needs one loss_weight"),
    Mistake("relu", 'type: "ReLU"', 'type: "RLU"', r"unknown layer type in layer `relu`"),
    Mistake("pool", "pool: MAX", "pool: MOST", r"`pool` has no value"),
    Mistake("pool", 'bottom: "relu"', 'bottom: "relu" bottom: "data"', r"layer `pool`: Pooling takes 1 bottom"),
    Mistake("pool", "stride: 2", "stride: 0", r"layer `pool` .*stride must be at least 1"),
    Mistake("lrn", "local_size: 3", "local_size: 3 local_size: 5", r"`local_size` may occur only once"),
    Mistake("lrn", 'bottom: "relu"', 'bottom: "nothing"', r"unknown bottom blob `nothing`"),
    Mistake("drop", "dropout_ratio: 0.4", "dropout_ratio: 1.5", r"dropout_ratio must be"),
    Mistake("drop", 'top: "drop"', 'top: "drop" top: "more"', r"layer `drop`: Dropout takes 1 top"),
    Mistake(
        "drop", 'bottom: "lrn"', 'bottom: "lrn" propagate_down: true propagate_down: true', r"`drop` needs one prop"
    ),
    Mistake("fc", "num_output: 3", 'num_output: "x"', r"`num_output` needs an integer"),
    Mistake("fc", "layer {", "}\nlayer {", r"this brace closes nothing"),
    Mistake("fc", 'bottom: "pool"', 'bottom: "absent"', r"unknown bottom blob `absent`"),
    Mistake(
        "loss", "loss_weight: 1 }", "loss_weight: 1 propagate_down: true }", r"layer `loss` needs one propagate_down"
    ),
    Mistake("loss", 'bottom: "label"', 'bottom: "lable"', r"unknown bottom blob `lable`"),
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(draw.integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(f"{number}.png")


def write(mistakes: Sequence[Mistake]) -> None:
    layers, listed = re.split(r"(?=^layer)", NET, flags=re.MULTILINE), LIST
    for one in mistakes:
        if one.listed:
            listed = listed.replace(one.before, one.after)
            continue
        (index,) = (k for k, text in enumerate(layers) if f'name: "{one.layer}"' in text)
        assert one.before in layers[index], (one, layers[index])
        layers[index] = layers[index].replace(one.before, one.after, 1)
    Path("net.prototxt").write_text("".join(layers))
    Path("list.txt").write_text(listed)


def missed(mistakes: Sequence[Mistake]) -> list[str]:
    """What of ``mistakes`` is not reported once, and what else is reported."""
    write(mistakes)
    reported = [one.what for one in check_files(["net.prototxt"])]
    wrong = [
        f"{one.pattern}: {count} times"
        for one in mistakes
        if (count := sum(bool(re.search(one.pattern, t)) for t in reported)) != 1
    ]
    return wrong + [f"more: {what}" for what in reported if not any(re.search(one.pattern, what) for one in mistakes)]


def test_without_mistakes_nothing_is_reported() -> None:
    assert missed([]) == []
    assert len(TABLE) >= 12


@pytest.mark.parametrize("mistake", TABLE, ids=lambda one: one.pattern[:30])
def test_each_mistake_alone_is_reported_once(mistake: Mistake) -> None:
    assert missed([mistake]) == []


def test_any_two_are_reported_once() -> None:
    pairs = [(a, b) for k, a in enumerate(TABLE) for b in TABLE[k + 1 :] if a.before != b.before or a.layer != b.layer]
    wrong = {(a.pattern, b.pattern): found for a, b in pairs if (found := missed([a, b]))}
    assert not wrong, "\n".join(f"{key}: {value}" for key, value in wrong.items())


@pytest.mark.parametrize("seed", range(4))
def test_any_number_is_reported_once(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(15):
        chosen = {(one.layer, one.before): one for one in draw.sample(TABLE, draw.randint(3, 8))}
        assert missed(list(chosen.values())) == [], [one.pattern for one in chosen.values()]


def test_a_verb_that_reads_the_net_reports_all_but_its_data() -> None:
    chosen = [one for one in TABLE if one.layer in ("conv", "lrn")]
    write(chosen)
    with pytest.raises(UserError) as caught:
        read_net("net.prototxt")
    reported = [one.what for one in caught.value.problems]
    assert all(sum(bool(re.search(one.pattern, what)) for what in reported) == 1 for one in chosen)


@pytest.mark.parametrize("sizes", ["new_height: 2147483647 new_width: 10", "new_height: 40000 new_width: 40000"])
def test_pictures_that_are_resized_to_too_many_pixels_are_refused(sizes: str) -> None:
    write([])
    path = Path("net.prototxt")
    path.write_text(path.read_text().replace("batch_size: 2", f"batch_size: 2 {sizes}"))
    assert any("more pixels than the limit" in one.what for one in check_files([path]))
