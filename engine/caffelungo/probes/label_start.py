"""Starts the fine-tuning of a net that predicts several labels from the best logistic regressions on the frozen net.

    net made to predict labels -> every stage, and all joined, judged by cross-validation -> the best of them as the
    net's classifier: at iteration 0 the net answers as these regressions do

As ``finetune_start``, which starts classifiers of one label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caffelungo.data import label_rows
from caffelungo.definition.definition import Definition
from caffelungo.errors import UserError
from caffelungo.probes import label_logistic
from caffelungo.probes.candidates import AUTO, ProbeCandidate
from caffelungo.probes.choose_candidate import LinearHead, held_out
from caffelungo.probes.finetune_start import FOLDS, MANY, PATIENCE, PENALTIES
from caffelungo.probes.label_logistic import LabelRow
from caffelungo.probes.scaling import global_scale
from caffelungo.probes.start_candidates import Stage, StartCandidates, StartedNet
from caffelungo.solve.engine import Engine

LabelEntry = tuple[str, tuple[float, ...]]
"""A picture's path, and its row of labels."""


@dataclass(frozen=True)
class TriedLabels:
    """How regressions on a candidate with this number of ``features`` did on held-out pictures: a row per penalty, and
    the ``best`` of them."""

    candidate: ProbeCandidate
    features: int
    rows: tuple[LabelRow, ...]
    best: int
    held: int

    @property
    def penalty(self) -> float:
        return self.rows[self.best].penalty

    @property
    def loss(self) -> float:
        """Mean cross-entropy per label that is known."""
        return self.rows[self.best].loss

    @property
    def ap(self) -> float:
        """Mean average precision."""
        return self.rows[self.best].ap

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "layers": self.candidate.name, "blobs": list(self.candidate.blobs), "features": self.features,
            "penalty": self.penalty, "loss": self.loss, "mean_average_precision": self.ap, "held_out": self.held,
            "converged": self.rows[self.best].converged,
        }  # fmt: skip


StartedLabels = StartedNet[TriedLabels]


def start_labels(
    definition: Definition,
    weights: str,
    entries: Sequence[LabelEntry],
    names: Sequence[str],
    engine: Engine,
    *,
    layers: Sequence[str] = (AUTO,),
    groups: Sequence[Sequence[int]] = (),
    mirrored: bool = True,
    seed: int = 0,
    say: Stage = lambda what, done, total: None,
) -> StartedLabels:
    """``definition`` (as ``passes.multi_label`` leaves it) with the best regressions for ``entries``.

    ``groups``: copies of one picture, by places in ``entries``.
    """
    rows = np.array([row for _, row in entries], np.float32)
    targets = torch.from_numpy(rows)
    parts = held_out(label_rows.rarest(rows), FOLDS, seed, groups, MANY)
    offered = StartCandidates(definition, weights, layers)
    tried: list[TriedLabels] = []
    with offered.features(entries, engine, mirrored=mirrored, say=say) as features:
        for number, one in enumerate(offered.found):
            say("logistic regressions on frozen features", number, len(offered.found))
            x = features(one)[: len(entries)].to(engine.device)
            path = label_logistic.path(global_scale(x)(x), targets, parts, PENALTIES, PATIENCE)
            tried.append(TriedLabels(one, x.shape[1], path.rows, path.best, len(path.held)))
        chosen = min(tried, key=lambda one: (one.loss, one.features))
        head = _fitted(features(chosen.candidate).to(engine.device), targets, chosen.penalty)
    return StartedLabels(*offered.net(chosen.candidate, head, names, entries), tried, chosen, head)


def _fitted(x: Tensor, targets: Tensor, penalty: float) -> LinearHead:
    """The regressions of all rows ``x``: versions of the pictures one behind the other."""
    scale = global_scale(x[: len(targets)])
    found = label_logistic.fit(scale(x), targets, penalty)
    weight = found.weight.double() * scale.scale.double()
    bias = found.bias.double() - weight @ scale.shift.double()
    if not bool(torch.isfinite(weight).all() and torch.isfinite(bias).all()):
        raise UserError("the regressions of labels have no finite weights", received=f"penalty {penalty:g}",
                        remedy="start without them: --caffe-classic")  # fmt: skip
    arrays = [np.ascontiguousarray(one.float().cpu().numpy()) for one in (weight, bias)]
    return LinearHead(arrays[0], arrays[1], penalty, found.converged)
