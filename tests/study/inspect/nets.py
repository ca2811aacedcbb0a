"""A net whose every answer can be worked out by hand: two old units, two new ones, three classes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from caffelungo.study.inspect.options import InspectOptions
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights

NET = """
name: "hand"
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "old" type: "InnerProduct" bottom: "data" top: "old" inner_product_param { num_output: 2 } }
layer { name: "relu" type: "ReLU" bottom: "old" top: "old" }
layer { name: "new" type: "InnerProduct" bottom: "data" top: "new" inner_product_param { num_output: 2 } }
layer { name: "relu_new" type: "ReLU" bottom: "new" top: "new" }
layer { name: "wide" type: "Concat" bottom: "old" bottom: "new" top: "wide" }
layer { name: "head" type: "InnerProduct" bottom: "wide" top: "head" inner_product_param { num_output: 3 } }
layer { name: "accuracy" type: "Accuracy" bottom: "head" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "head" bottom: "label" top: "loss" }
"""


def data(samples: int = 23) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels; every input is another one, so that no answer is tied."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, samples)
    return (rng.normal(size=(samples, 4)) + 1.5 * np.eye(4)[labels]).astype(np.float32), labels


def weights(seed: int = 0) -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(20 + seed)
    shapes = {"old": (2, 4), "new": (2, 4), "head": (3, 4)}
    return {
        name: [rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[0]).astype(np.float32)]
        for name, shape in shapes.items()
    }


def make(folder: Path) -> InspectOptions:
    """Write data, net, weights, those before (which have no new units) and two snapshots into ``folder``."""
    inputs, labels = data()
    with h5py.File(folder / "data.h5", "w") as file:
        file["data"], file["label"] = inputs, labels.astype(np.float32)
    (folder / "list.txt").write_text("data.h5\n")
    (folder / "net.prototxt").write_text(NET)
    before = weights(8)
    formats.write(folder / "before.caffemodel", Weights({"old": before["old"]}))
    for iteration, seed in ((10, 3), (20, 0)):
        formats.write(folder / f"run_iter_{iteration}.caffemodel", Weights(weights(seed)))
    return InspectOptions(
        model=folder / "net.prototxt", weights=[str(folder / "run_iter_20.caffemodel")],
        before=str(folder / "before.caffemodel"), out=folder / "report", device="cpu", quiet=True,
    )  # fmt: skip


def units(blobs: dict[str, list[np.ndarray]], layer: str) -> np.ndarray:
    """The answers of ``layer`` to all samples, float64."""
    weight, bias = (blob.astype(np.float64) for blob in blobs[layer])
    return np.maximum(data()[0].astype(np.float64) @ weight.T + bias, 0)


def right(blobs: dict[str, list[np.ndarray]], old: bool, new: bool) -> int:
    """How many samples are classified right with these groups alone."""
    read = np.concatenate([units(blobs, "old") * old, units(blobs, "new") * new], 1)
    weight, bias = (blob.astype(np.float64) for blob in blobs["head"])
    return int(((read @ weight.T + bias).argmax(1) == data()[1]).sum())
