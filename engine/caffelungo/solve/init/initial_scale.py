"""Sizes of new layers worked out on data: factors of Normalize (``measured``), and weights of unit variance (``lsuv``).

measured: old features go on as large as they were, new ones become as large as those they are joined with.
lsuv: orthonormal weights, scaled so that what each layer gives has variance 1, one layer after the other
(Mishkin and Matas, "All you need is a good init", ICLR 2016; without its rounds, as the variance is quadratic in them).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.errors import RunError
from caffelungo.net.stepwise import StepNet
from caffelungo.passes.view import Graph
from caffelungo.plan.plan import PlannedLayer

Array = NDArray[np.float32]
Batches = Callable[[], Iterable[Sequence[Tensor]]]


def measured(steps: StepNet, batches: Batches, graph: Graph, lacking: Collection[str]) -> dict[str, tuple[float, str]]:
    """Where the factors of each Normalize among ``lacking`` start, and whose norm that is.

    Behind old features it is the mean norm of what the layer reads; behind new ones that of the old features it is
    joined with, and where there are none its own.
    """
    wanted = [one for one in graph.plan.layers if one.layer.type == "Normalize" and one.name in lacking]
    sums: dict[str, list[float]] = {one.name: [] for one in wanted}
    with torch.no_grad():
        for tensors in batches():
            _forward(steps, tensors, max(one.index for one in wanted))
            for one in wanted:
                read = steps.data[one.bottom_values[0]].float()
                whole = bool(one.layer.options.across_spatial)
                sums[one.name].append(float((read.flatten(1) if whole else read).norm(dim=1).mean()))
    norms = {name: float(np.mean(values)) for name, values in sums.items()}
    old = {one.name for one in wanted if not _new(graph, one, lacking)}
    result: dict[str, tuple[float, str]] = {}
    for one in wanted:
        beside = [] if one.name in old else [name for name in _joined_with(graph, one) if name in old]
        value = float(np.mean([norms[name] for name in beside])) if beside else norms[one.name]
        if not (np.isfinite(value) and value > 0):
            raise RunError(f"the norm of the input of `{one.name}` is {value:g}, so its factors cannot start at it")
        result[one.name] = (value, ", ".join(beside) or one.name)
    return result


def _new(graph: Graph, one: PlannedLayer, lacking: Collection[str]) -> bool:
    """Whether what ``one`` reads is made by a layer that starts afresh."""
    above = graph.upstream([one])
    return any(other.name in lacking and other.params and other.layer.type != "Normalize" for other in above)


def _joined_with(graph: Graph, one: PlannedLayer) -> list[str]:
    """The other Normalize layers whose tops are joined with that of ``one``."""
    found: list[str] = []
    for concat in (other for other in graph.downstream([one]) if other.layer.type == "Concat"):
        for value in concat.bottom_values:
            maker = graph.producer.get(value)
            while maker is not None and maker.layer.type == "Dropout":
                maker = graph.producer.get(maker.bottom_values[0])
            if maker is not None and maker.layer.type == "Normalize" and maker.name != one.name:
                found.append(maker.name)
    return found


def lsuv(
    steps: StepNet, batches: Batches, layers: Sequence[PlannedLayer], seed: int
) -> dict[str, tuple[list[Array], float]]:
    """Weights and biases for ``layers`` (in the net's order), put into the store, too; and the factor each took."""
    result: dict[str, tuple[list[Array], float]] = {}
    for one in layers:
        weight, *bias = steps.store.blobs(one.key)
        transposed = one.layer.type == "InnerProduct" and bool(one.layer.options.transpose)
        rows = weight.shape[::-1] if transposed else (weight.shape[0], int(np.prod(weight.shape[1:])))
        start = orthonormal(int(rows[0]), int(rows[1]), np.random.default_rng([seed, one.index]))
        with torch.no_grad():
            values = torch.from_numpy(start.T.copy() if transposed else start).to(weight)
            weight.copy_(values.reshape(weight.shape))
            for other in bias:
                other.zero_()
            variances = []
            for tensors in batches():
                _forward(steps, tensors, one.index)
                variances.append(float(steps.data[one.top_values[0]].float().var()))
            spread = float(np.sqrt(np.mean(variances)))
            if not (np.isfinite(spread) and spread > 0):
                raise RunError(
                    f"the output of `{one.name}` has a spread of {spread:g} on these data, so it cannot be scaled to 1"
                )
            weight.div_(spread)
        arrays = [blob.detach().float().cpu().numpy().copy() for blob in (weight, *bias)]
        result[one.name] = (arrays, 1.0 / spread)
    return result


def orthonormal(rows: int, columns: int, rng: np.random.Generator) -> Array:
    """Rows of unit length that are orthogonal to each other, as far as there is room; then the columns are."""
    tall = rng.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))
    return np.ascontiguousarray(q if rows >= columns else q.T, dtype=np.float32)


def _forward(steps: StepNet, tensors: Sequence[Tensor], last: int) -> None:
    steps.feed(*tensors)
    for planned in steps.plan.layers:
        if planned.index > last:
            return
        if not planned.layer.source:
            steps.forward_layer(planned)
