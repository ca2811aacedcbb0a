"""A small net with weights over small pictures, and its blobs by PyTorch's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from caffelungo.features.run_features import FeatureOptions, WrittenFeatures, extract
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.study.nets import convolution, data, head, layer, write

COUNT, CROP, SIDE = 10, 12, 16
LAYERS = (
    convolution("conv", "data", units=4)
    + layer("ReLU", "relu", "conv", "conv")
    + layer("Pooling", "pool", "conv", "pool", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
    + layer("InnerProduct", "fc", "pool", "fc", "inner_product_param { num_output: 5 }")
    + layer("ReLU", "relu2", "fc", "fc")
)
DATA = data(f"crop_size: {CROP}", f"new_height: {SIDE} new_width: {SIDE}")
NET = DATA.replace("transform_param {  mean", f"transform_param {{ crop_size: {CROP} mean") + LAYERS + head("fc")
DEPLOY = (
    'layer { name: "in" type: "Input" top: "data" '
    f"input_param {{ shape {{ dim: 1 dim: 3 dim: {CROP} dim: {CROP} }} }} }}"
    + LAYERS
    + head("fc").split("\n")[0]
    + layer("Softmax", "prob", "head", "prob")
)
Blobs = dict[str, NDArray[np.float32]]


def place(folder: Path) -> Path:
    """``folder`` with pictures, a list, the net and its weights."""
    (folder / "list.txt").write_text(write(folder / "pictures", COUNT, size=SIDE))
    (folder / "net.prototxt").write_text(NET)
    (folder / "deploy.prototxt").write_text(DEPLOY)
    keep(folder)
    return folder


def blobs() -> dict[str, list[NDArray[np.float32]]]:
    rng = np.random.default_rng(7)
    shapes = {"conv": [(4, 3, 3, 3), (4,)], "fc": [(5, 144), (5,)], "head": [(3, 5), (3,)]}
    return {name: [rng.normal(0, 0.3, shape).astype(np.float32) for shape in each] for name, each in shapes.items()}


def keep(folder: Path, extras: Any = None) -> None:
    kinds = {"conv": "Convolution", "fc": "InnerProduct", "head": "InnerProduct"}
    formats.write(folder / "net.caffemodel", Weights(layers=blobs(), types=kinds, extras=extras))


def run(folder: Path, name: str = "out.npz", **more: Any) -> WrittenFeatures:
    given = {
        "net": str(folder / "net.prototxt"), "data": str(folder / "list.txt"), "output": str(folder / name),
        "weights": str(folder / "net.caffemodel"), "device": "cpu", "batch_size": 3, **more,
    }  # fmt: skip
    return extract(FeatureOptions(**given))


def pictures(folder: Path) -> NDArray[np.float32]:
    """N x 3 x SIDE x SIDE, blue first."""
    return np.stack(
        [
            np.asarray(Image.open(folder / "pictures" / f"0_{n}.png"))[:, :, ::-1].transpose(2, 0, 1)
            for n in range(COUNT)
        ]
    ).astype(np.float32)


def forward(crops: NDArray[np.float32], mean: float = 100, scale: float = 0.01) -> Blobs:
    """The blobs `conv` and `fc` by PyTorch's own functions."""
    weights = {name: [torch.from_numpy(one) for one in each] for name, each in blobs().items()}
    values = (torch.from_numpy(np.ascontiguousarray(crops)) - mean) * scale
    conv = torch.nn.functional.conv2d(values, weights["conv"][0], weights["conv"][1], padding=1).relu()
    pool = torch.nn.functional.max_pool2d(conv, 2)
    fc = torch.nn.functional.linear(pool.flatten(1), *weights["fc"]).relu()
    return {"conv": conv.numpy(), "fc": fc.numpy()}


def centre(images: NDArray[np.float32]) -> NDArray[np.float32]:
    start = (SIDE - CROP) // 2
    return images[:, :, start : start + CROP, start : start + CROP]


def close(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
