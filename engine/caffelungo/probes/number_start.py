"""Starts the fine-tuning of a net that predicts numbers from the best ridge regression on the frozen net.

    net made to predict numbers -> every stage, and all joined, judged by cross-validation -> the best of them as what
    gives the net's standardised numbers: at iteration 0 the net answers as that regression does

As ``finetune_start``, which starts classifiers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.definition.definition import Definition
from caffelungo.passes.predict_numbers import NumberColumn, answer_layer, unit_blobs
from caffelungo.probes import ridge
from caffelungo.probes.candidates import AUTO, ProbeCandidate
from caffelungo.probes.choose_candidate import LinearHead, held_out
from caffelungo.probes.finetune_start import FOLDS, MANY
from caffelungo.probes.scaling import global_scale
from caffelungo.probes.start_candidates import Stage, StartCandidates, StartedNet
from caffelungo.solve.engine import Engine

NumberEntry = tuple[str, tuple[float, ...]]
"""A picture's path, and its numbers in their own units."""


@dataclass(frozen=True)
class TriedRegression:
    """How ridge regressions on a candidate with this number of ``features`` did on held-out pictures.

    ``errors``: the mean squared error of standardised numbers for each of ``ridge.PENALTIES``, ``best`` its smallest.
    ``r2`` and ``rmse`` (in the unit of the number) are those of the best, for each number.
    """

    candidate: ProbeCandidate
    features: int
    errors: tuple[float, ...]
    best: int
    r2: tuple[float, ...]
    rmse: tuple[float, ...]
    held: int

    @property
    def penalty(self) -> float:
        return ridge.PENALTIES[self.best]

    @property
    def loss(self) -> float:
        return self.errors[self.best]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "layers": self.candidate.name, "blobs": list(self.candidate.blobs), "features": self.features,
            "penalty": self.penalty, "mean_squared_error": self.loss, "r2": list(self.r2), "rmse": list(self.rmse),
            "held_out": self.held,
        }  # fmt: skip


StartedNumbers = StartedNet[TriedRegression]


def start_numbers(
    definition: Definition,
    weights: str,
    entries: Sequence[NumberEntry],
    numbers: tuple[NumberColumn, ...],
    engine: Engine,
    *,
    layers: Sequence[str] = (AUTO,),
    groups: Sequence[Sequence[int]] = (),
    mirrored: bool = True,
    seed: int = 0,
    say: Stage = lambda what, done, total: None,
) -> StartedNumbers:
    """``definition`` (as ``passes.predict_numbers`` leaves it) with the best regression for ``entries``.

    ``groups``: copies of one picture, by places in ``entries``.
    """
    y = standardised(np.array([row for _, row in entries], np.float64), numbers)
    parts = held_out(np.zeros(len(entries), np.int64), FOLDS, seed, groups, MANY)
    offered = StartCandidates(definition, weights, layers)
    rows: list[TriedRegression] = []
    with offered.features(entries, engine, mirrored=mirrored, say=say) as features:
        for number, one in enumerate(offered.found):
            say("ridge regressions on frozen features", number, len(offered.found))
            x = features(one)[: len(entries)].to(engine.device)
            rows.append(_tried(one, x, y, parts, numbers))
        chosen = min(rows, key=lambda one: (one.loss, one.features))
        head = _fitted(features(chosen.candidate).to(engine.device), y, chosen.penalty)
    net, made, notes = offered.net(chosen.candidate, head, (), entries)
    made = replace(made, layers={**made.layers, answer_layer(net): unit_blobs(numbers)})
    return StartedNumbers(net, made, notes, rows, chosen, head)


def standardised(rows: NDArray[np.float64], numbers: Sequence[NumberColumn]) -> Tensor:
    """``rows`` N x K less their means, in their deviations."""
    mean, deviation = (np.array([getattr(one, name) for one in numbers]) for name in ("mean", "deviation"))
    return torch.from_numpy((rows - mean) / deviation)


def _tried(
    candidate: ProbeCandidate, x: Tensor, y: Tensor, parts: Tensor, numbers: Sequence[NumberColumn]
) -> TriedRegression:
    predicted, held = ridge.held_out_predictions(global_scale(x)(x), y, parts, ridge.PENALTIES)
    truth = y[held]
    square = (predicted - truth).square().mean(1)  # P x K
    errors = square.mean(1)
    best = int(errors.argmin())
    spread = (truth - truth.mean(0)).square().mean(0)
    r2 = 1 - square[best] / spread.clamp(min=torch.finfo(spread.dtype).tiny)
    units = torch.tensor([one.deviation for one in numbers], dtype=square.dtype)
    rmse = square[best].sqrt() * units
    return TriedRegression(candidate, x.shape[1], tuple(errors.tolist()), best, tuple(r2.tolist()),
                           tuple(rmse.tolist()), len(held))  # fmt: skip


def _fitted(x: Tensor, y: Tensor, penalty: float) -> LinearHead:
    """The regression of all rows ``x``: versions of the pictures one behind the other."""
    versions = len(x) // len(y)
    scale = global_scale(x[: len(y)])
    found = ridge.fit(scale(x), y.repeat(versions, 1), [penalty])
    weight = found.weight[0] * scale.scale.double()
    bias = found.bias[0] - weight @ scale.shift.double()
    arrays = [np.ascontiguousarray(one.float().cpu().numpy()) for one in (weight, bias)]
    return LinearHead(arrays[0], arrays[1], penalty, True)
