"""Small pictures with several labels (coloured squares), a small net with weights, and their tables and lists."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from caffelungo.definition.reader import parse_net
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.numbers import random_blobs

NAMES = ("blue", "green", "red")
NET = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def pictures(folder: Path, count: int = 40, seed: int = 0) -> list[tuple[str, list[str]]]:
    """``count`` grey pictures with squares of some of three colours in ``folder``, and the labels of each."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(count):
        pixels = rng.integers(90, 140, (16, 16, 3), np.uint8)
        labels = []
        for channel, name, share in ((2, "blue", 0.3), (1, "green", 0.4), (0, "red", 0.5)):
            if rng.random() < share:
                row, column = rng.integers(0, 11, 2)
                pixels[row : row + 5, column : column + 5] = 0
                pixels[row : row + 5, column : column + 5, channel] = 240
                labels.append(name)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        found.append((f"{folder.name}/{number}.png", labels))
    return found


def tags(folder: Path, count: int = 40, *, columns: bool = False) -> Path:
    """A table of such pictures: all labels in one cell, or one of ``columns`` of 0 and 1 each."""
    path = folder / "tags.csv"
    rows = pictures(folder / "photos", count)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *(NAMES if columns else ["tags"])])
        for name, labels in rows:
            cells = [str(int(one in labels)) for one in NAMES] if columns else ["|".join(labels)]
            writer.writerow([name, *cells])
    return path


def net(folder: Path) -> tuple[Path, Path]:
    """The net, and weights of it."""
    path, weights = folder / "tiny.prototxt", folder / "tiny.caffemodel"
    path.write_text(NET)
    definition = parse_net(NET)
    formats.write(weights, Weights(random_blobs(definition)), definition.message)
    return path, weights
