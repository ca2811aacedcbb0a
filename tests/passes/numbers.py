"""Running small nets on given weights, for tests of what a rewrite computes. Imports torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.base import Result
from caffelungo.passes.moves import Blobs, moved
from caffelungo.passes.view import View
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights


def random_blobs(definition: Definition, seed: int = 3) -> Blobs:
    """Weights for every layer: normal, variances and factors positive."""
    rng = np.random.default_rng(seed)
    result: Blobs = {}
    for graph in View(definition).graphs.values():
        for one in graph.plan.layers:
            if one.name not in result and one.params:
                arrays = [rng.normal(0, 0.5, use.shape).astype(np.float32) for use in one.params]
                if one.layer.type == "BatchNorm":
                    arrays[1:] = [np.abs(arrays[1]) + 0.3, np.full(one.params[2].shape, 2.0, np.float32)]
                result[one.name] = arrays
    return result


def blobs(definition: Definition, weights: Blobs, *inputs: np.ndarray) -> Callable[[str], np.ndarray]:
    """The blobs of the TEST net of ``definition`` with ``weights``; what they lack starts from fillers."""
    plan = View(definition).graphs[TEST].plan
    table = match(plan, Weights(dict(weights)))
    assert not table.problems
    store = Store(plan, seed=5)
    store.load(table.arrays)
    net = StepNet(plan, store)
    with torch.no_grad():
        net.forward(*(torch.from_numpy(one) for one in inputs))
    return lambda name: net.blob(name).detach().numpy().copy()


def before_and_after(
    before: Definition, result: Result, *inputs: np.ndarray
) -> tuple[Callable[[str], np.ndarray], Callable[[str], np.ndarray]]:
    """The blobs of both nets, the second with the first one's weights moved."""
    weights = random_blobs(before)
    return blobs(before, weights, *inputs), blobs(result.definition, moved(weights, result.moves), *inputs)


def picture(size: int, channels: int = 3, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (batch, channels, size, size)).astype(np.float32)
