"""DELTA's attention: which channels of the frozen starting net matter for the new classes (Li et al. 2019).

The train net's own classifier is fitted to the frozen features of some batches; then each channel of each held map is
switched off in turn. Its weight is the softmax of z / 5, where z says by how many standard deviations the loss rises
more than for the mean channel (as the authors' code has it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.layers.base import State
from caffelungo.net.store import Store
from caffelungo.passes.view import Graph
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import PlannedLayer
from caffelungo.solve.delta import Frozen
from caffelungo.solve.feed import Feed
from caffelungo.solve.loss_heads import loss_heads
from caffelungo.solve.nets import OpenedNet

FITTED, LOOKED = 16, 4
"""Batches that the classifier is fitted to, and on which channels are switched off."""
STEPS, DECAY = 60, 1e-4
"""Steps of L-BFGS, and its weight decay (the authors')."""
SPREAD = 5.0
"""By what z is divided before the softmax."""

Progress = Callable[[int, int], None]
Values = dict[int, Tensor]


def measure(
    opened: OpenedNet, store: Store, feed: Feed, layers: Sequence[PlannedLayer], where: Where, progress: Progress
) -> dict[str, Tensor]:
    """One weight a channel for each of ``layers``, on the first batches of the training data; each sums to 1.

    ``store`` holds the weights that the training of ``opened`` starts from, ``where`` finds places in its solver.
    UserError where there is no classifier under a SoftmaxWithLoss, or a layer does not lead to it.
    """
    heads = sorted(loss_heads(opened), key=lambda head: head.weight)
    if not heads:
        raise _unclear(where, "attention is measured through a SoftmaxWithLoss, and the train net has none")
    probe = _Probe(opened, store, feed, heads[-1].loss, heads[-1].scores)
    above = {one.name for one in Graph(opened.plan).upstream([heads[-1].loss])}
    apart = [one.name for one in layers if one.name not in above]
    if apart:
        raise _unclear(
            where, f"`{apart[0]}` does not lead to `{heads[-1].loss.name}`, so its channels have no effect on it"
        )
    channels = {one.name: int((one.top_shapes[0] or ())[1] or 0) for one in layers}
    total = LOOKED * sum(channels.values())
    progress(0, total)
    probe.fit()
    rises = {name: torch.zeros(count, dtype=torch.float64) for name, count in channels.items()}
    done = 0
    for k in range(LOOKED):
        values = probe.whole(k)
        before = float(values[probe.loss])
        for one in layers:
            for channel in range(channels[one.name]):
                rises[one.name][channel] += probe.without(values, one, channel) - before
                done += 1
                progress(done, total)
    return {name: weights(rise / LOOKED).to(store.device) for name, rise in rises.items()}


def weights(rises: Tensor) -> Tensor:
    """The weights of channels, without which the loss rises by ``rises``."""
    spread = rises.std(correction=0)
    z = (rises - rises.mean()) / spread if spread > 0 else torch.zeros_like(rises)
    return torch.softmax(z / SPREAD, 0).float()


def _unclear(where: Where, what: str) -> UserError:
    return UserError(
        what,
        where=where("lungo", "delta", "attention") or where("lungo"),
        received="attention: MEASURED",
        remedy="write attention: UNIFORM",
    )


class _Probe:
    """The frozen train net up to a loss, run layer by layer."""

    def __init__(self, opened: OpenedNet, store: Store, feed: Feed, loss: PlannedLayer, scores: PlannedLayer) -> None:
        self.feed = feed
        tensors: Mapping[tuple[str, int], Tensor] = {
            key: tensor.detach().clone() for key, tensor in store.tensors.items()
        }
        self.frozen = Frozen(opened, [loss], tensors)
        self.graph = Graph(self.frozen.plan)
        self.loss = self.frozen.top(loss)
        self.scores = self.frozen.layer(scores)
        self.behind = self.graph.downstream([self.scores])

    def _run(self, layers: Sequence[PlannedLayer], values: Values) -> Values:
        with self.feed.engine.arithmetic():
            for one in layers:
                bottoms = [values[value] for value in one.bottom_values]
                tops = one.layer.compute(bottoms, self.frozen.store.blobs(one.key), State())
                values.update(zip(one.top_values, tops, strict=True))
        return values

    def _data(self, k: int) -> Values:
        tensors = iter(self.feed.one(k))
        return {value: next(tensors) for one in self.frozen.plan.sources for value in one.top_values}

    def _layers(self) -> list[PlannedLayer]:
        return [one for one in self.frozen.plan.layers if not one.layer.source]

    @torch.no_grad()
    def whole(self, k: int) -> Values:
        """Every value of batch ``k``."""
        return self._run(self._layers(), self._data(k))

    @torch.no_grad()
    def without(self, values: Values, layer: PlannedLayer, channel: int) -> float:
        """The loss of a batch whose ``values`` are known when one channel of ``layer`` is 0."""
        top = self.frozen.layer(layer)
        value = top.top_values[0]
        silenced = values[value].clone()
        silenced[:, channel] = 0
        changed = dict(values)
        changed[value] = silenced
        rest = [one for one in self.graph.downstream([top]) if one is not top]
        return float(self._run(rest, changed)[self.loss])

    def fit(self) -> None:
        """Fit the classifier to the frozen features of the first batches."""
        behind = {one.index for one in self.behind}
        before = [one for one in self._layers() if one.index not in behind]
        read = {value for one in self.behind for value in one.bottom_values}
        kept: list[Values] = []
        with torch.no_grad():
            for k in range(FITTED):
                found = self._run(before, self._data(k))
                kept.append({value: tensor for value, tensor in found.items() if value in read})
        learned = self.frozen.store.blobs(self.scores.key)
        for blob in learned:
            blob.requires_grad_(True)
        optimizer = torch.optim.LBFGS(learned, max_iter=STEPS, line_search_fn="strong_wolfe")

        def loss() -> float:
            optimizer.zero_grad()
            terms = [self._run(self.behind, dict(values))[self.loss] for values in kept]
            total = torch.stack(terms).mean() + DECAY / 2 * torch.stack([blob.square().sum() for blob in learned]).sum()
            total.backward()
            return float(total.detach())

        optimizer.step(loss)
        for blob in learned:
            blob.requires_grad_(False)
