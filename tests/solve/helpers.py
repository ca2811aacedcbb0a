"""A small training that is quick to build: an MLP on HDF5 data, in the current folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy as np

from caffelungo.definition.reader import read_solver
from caffelungo.report.glog import CaffeLog
from caffelungo.solve.action import Action
from caffelungo.solve.engine import Engine
from caffelungo.solve.observer import Observer
from caffelungo.solve.options import TrainOptions
from caffelungo.solve.solver import Solver, make_solver
from caffelungo.solve.training_setup import Setup

NET = """
name: "mlp"
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
FIELDS = {
    "net": '"net.prototxt"', "base_lr": "0.1", "lr_policy": '"fixed"', "momentum": "0.9", "max_iter": "20",
    "display": "5", "random_seed": "7", "snapshot_prefix": '"out/s"', "solver_mode": "CPU",
}  # fmt: skip


def write_data(path: Path, samples: int = 10, classes: int = 3, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % classes
    data = rng.normal(size=(samples, 5)) + 2 * np.eye(5)[labels]
    with h5py.File(path, "w") as file:
        file["data"], file["label"] = data.astype(np.float32), labels.astype(np.float32)


def make(folder: Path, net: str = NET, **fields: str) -> Path:
    """Write data, net and solver (``FIELDS`` overridden by ``fields``; "" leaves one out) into ``folder``."""
    (folder / "out").mkdir(exist_ok=True)
    write_data(folder / "data.h5")
    (folder / "list.txt").write_text("data.h5\n")
    (folder / "net.prototxt").write_text(net)
    lines = [f"{name}: {value}" for name, value in {**FIELDS, **fields}.items() if value and name != "extra"]
    (folder / "solver.prototxt").write_text("\n".join([*lines, fields.get("extra", "")]) + "\n")
    return folder


def solver(engine: Engine | None = None, observers: Iterable[Observer] = (), **setup) -> Solver:
    return make_solver(read_solver("solver.prototxt"), engine, Setup(**setup), log=CaffeLog(), observers=observers)


class Losses(Observer):
    """The losses of a run by iteration."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}

    def on_loss(self, iteration: int, loss: float) -> None:
        self.seen[iteration] = loss


class Asking(Observer):
    """Asks what ``poll`` returns."""

    def __init__(self, poll: Callable[[], Action]) -> None:
        self.poll = poll  # type: ignore[method-assign]


def options(**more) -> TrainOptions:
    return TrainOptions(**{"solver": "solver.prototxt", "device": "cpu", "quiet": True, **more})
