"""Statistics of BatchNorm for nets without weights of their own. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan, PlannedLayer


def statistics(plan: Plan, store: Store) -> None:
    """Statistics as of a trained BatchNorm; those that it starts with divide by next to nothing."""
    rng = np.random.default_rng(2)
    for one in plan.layers:
        if one.layer.type == "BatchNorm":
            size = store.tensor(one.key, 0).shape
            _load(one, store, rng.normal(0, 0.1, size), rng.uniform(0.8, 1.2, size), 1)


def statistics_of_data(plan: Plan, store: Store, feeds: Mapping[str, NDArray[Any]]) -> None:
    """Statistics that keep the inputs ``feeds`` at one scale through any depth; the factor is Caffe's, not 1.

    Variances are the mean squares that arise, off by up to a fifth, means up to a fifth of their roots. The means that
    arise themselves would make a net of random weights chaotic (Yang et al. 2019, A Mean Field Theory of Batch
    Normalization): rounding would grow with every layer, as it does not in a trained net.
    """
    rng = np.random.default_rng(3)
    net = StepNet(plan, store)
    net.feed(*(torch.from_numpy(feeds[top]) for one in plan.sources for top in one.tops))
    with torch.no_grad():
        for one in plan.layers:
            if one.layer.source:
                continue
            if one.layer.type == "BatchNorm":
                x = net.data[one.bottom_values[0]].transpose(0, 1).flatten(1)
                squares = x.square().mean(1).numpy()
                floor = 1e-3 * float(squares.max(initial=0.0)) or 1.0
                variance = np.maximum(squares, floor) * rng.uniform(0.8, 1.2, squares.shape)
                mean = 0.2 * np.sqrt(variance) * rng.uniform(-1, 1, squares.shape)
                _load(one, store, mean, variance, 999.982)
            net.forward_layer(one)


def _load(one: PlannedLayer, store: Store, mean: np.ndarray, variance: np.ndarray, factor: float) -> None:
    first, second, third = (use.key for use in one.params[:3])
    store.load({
        first: (mean * factor).astype(np.float32),
        second: (variance * factor).astype(np.float32),
        third: np.full(store.tensor(one.key, 2).shape, factor, np.float32),
    })  # fmt: skip
