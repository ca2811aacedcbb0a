"""Folders of coloured pictures and small nets with weights, to probe; and what a net answers, by the stepwise net."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.probes.options import ProbeOptions
from caffelungo.probes.results import Probed
from caffelungo.probes.run_probe import probe
from caffelungo.solve import nets
from caffelungo.weights import formats
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights
from tests.passes.nets import FIRE
from tests.passes.numbers import random_blobs

CLASSES = ("cat", "dog", "zebra fish")
Arrays = dict[str, NDArray[np.float32]]


def photos(folder: Path, count: int = 6, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> Path:
    """``count`` noisy pictures per class, whose colour tells the class, but not always."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for each in range(count):
            image = rng.integers(0, 156, (24, 28, 3))
            image[..., (number + (each % 5 == 4)) % 3] += 60
            Image.fromarray(image.astype(np.uint8)).save(folder / name / f"{each}.png")
    return folder


@dataclass(frozen=True)
class Place:
    """A net with weights, and pictures to learn from and to judge by."""

    net: Path
    weights: Path
    data: Path
    test: Path

    def options(self, **more: Any) -> ProbeOptions:
        given = {"net": str(self.net), "weights": str(self.weights), "data": str(self.data), "device": "cpu",
                 "suffix": "x", "threads": 1, "batch_size": 5, **more}  # fmt: skip
        return ProbeOptions(**given)

    def probe(self, **more: Any) -> Probed:
        return probe(self.options(**more))


def place(folder: Path, text: str = FIRE) -> Place:
    """``text`` as a net with random weights in ``folder``, and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    net, weights = folder / "net.prototxt", folder / "net.caffemodel"
    net.write_text(text)
    formats.write(weights, Weights(random_blobs(read_net(net))))
    return Place(net, weights, photos(folder / "photos"), photos(folder / "others", 5, seed=1))


def answers(net: Path, weights: Path, *wanted: str) -> tuple[Arrays, NDArray[np.int64]]:
    """The blobs ``wanted`` of ``net`` over all pictures that its TEST phase reads, layer by layer; and the labels."""
    definition = read_net(net)
    return blobs_of(definition, formats.read(weights).layers, *wanted)


def blobs_of(definition: Definition, layers: Any, *wanted: str) -> tuple[Arrays, NDArray[np.int64]]:
    state = net_state(definition.message, TEST)
    opened = nets.open_net_with_data(nets.from_definition(definition), state, once=True, shuffle=False)
    table = match(opened.plan, Weights(dict(layers)))
    assert not table.problems
    store = Store(opened.plan, seed=0)
    store.load(table.arrays)
    step = StepNet(opened.plan, store)
    source = opened.sources[0]
    assert source.batches is not None
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in (*wanted, "label")}
    for index in range(source.batches):
        with torch.no_grad():
            step.forward(*source.finish(source.batch(index)))
        for name, arrays in found.items():
            arrays.append(step.blob(name).detach().numpy().copy())
    whole = {name: np.concatenate(arrays) for name, arrays in found.items()}
    return whole, whole.pop("label").astype(np.int64).ravel()


def pooled(blob: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean and maximum over the plane, each at unit length (1e-10 is added to its square), by numpy alone."""
    values = blob.astype(np.float64)
    parts = [values] if values.ndim == 2 else [values.mean((2, 3)), values.max((2, 3))]
    return np.concatenate([each / np.sqrt((each**2).sum(1, keepdims=True) + 1e-10) for each in parts], 1)
