"""Starts the fine-tuning of a net that tells several labels from the best logistic regressions on the frozen net.

    net made to tell labels -> every stage, and all joined, judged by cross-validation -> the best of them as the net's
    classifier: at iteration 0 the net answers as these regressions do

As ``finetune_start``, which starts classifiers of one label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caffelungo import drafts
from caffelungo.data import label_rows
from caffelungo.definition.definition import Definition
from caffelungo.errors import UserError
from caffelungo.passes.base import Note
from caffelungo.passes.join import JoinedOptions, Read, columns
from caffelungo.passes.view import View
from caffelungo.probes import label_logistic
from caffelungo.probes.candidates import AUTO, ProbeCandidate, candidates
from caffelungo.probes.choose_candidate import LinearHead, held_out
from caffelungo.probes.feature_matrix import Subject, matrix, read
from caffelungo.probes.finetune_start import FOLDS, MANY, PATIENCE, PENALTIES, RATES, SCALE, Stage
from caffelungo.probes.label_logistic import LabelRow
from caffelungo.probes.scaling import global_scale
from caffelungo.probes.write_net import extras, with_head
from caffelungo.solve.engine import Engine
from caffelungo.weights.load import load
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

LabelEntry = tuple[str, tuple[float, ...]]
"""A picture's path, and its row of labels."""


@dataclass(frozen=True)
class TriedLabels:
    """How regressions on a candidate of so many ``features`` did on pictures held out: a row per penalty, and the
    ``best`` of them."""

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


@dataclass(frozen=True)
class StartedLabels:
    """The net that answers as ``head`` does, the weights it starts from, and how the candidates did (``rows``);
    ``notes`` is what was done to the net."""

    definition: Definition
    weights: Weights
    notes: list[Note]
    rows: list[TriedLabels]
    chosen: TriedLabels
    head: LinearHead


def start_labels(
    definition: Definition,
    weights: str,
    entries: Sequence[LabelEntry],
    names: Sequence[str],
    engine: Engine,
    *,
    layers: Sequence[str] = (AUTO,),
    suffix: str = "joined",
    groups: Sequence[Sequence[int]] = (),
    mirrored: bool = True,
    seed: int = 0,
    say: Stage = lambda what, done, total: None,
) -> StartedLabels:
    """``definition`` (as ``passes.multi_label`` leaves it) with the best regressions for ``entries``.

    ``groups``: copies of one picture, by places in ``entries``.
    """
    view = View(definition)
    found = candidates(view, layers)
    rows = np.array([row for _, row in entries], np.float32)
    targets = torch.from_numpy(rows)
    blobs = list(dict.fromkeys(blob for one in found for blob in one.blobs))
    what = f"features of {counted(len(entries), 'picture')}"

    def tell(done: float, total: float, text: str = "") -> None:
        say(what, int(done), int(total))

    options = {
        one.name: JoinedOptions(tuple(Read(blob) for blob in one.blobs), suffix=suffix, rates=RATES, scale=SCALE)
        for one in found
    }
    tried: list[TriedLabels] = []
    with drafts.scratch() as folder:
        pooled = read(Subject(definition, [weights], engine), entries, blobs, mirrored=mirrored, cache=folder, say=tell)
        parts = held_out(label_rows.rarest(rows), FOLDS, seed, groups, MANY)

        def features(name: str) -> Tensor:
            return matrix(pooled, [(blob, pool) for blob, pool, _ in columns(view, options[name])]).to(engine.device)

        for number, one in enumerate(found):
            say("logistic regressions on frozen features", number, len(found))
            x = features(one.name)[: len(entries)]
            path = label_logistic.path(global_scale(x)(x), targets, parts, PENALTIES, PATIENCE)
            tried.append(TriedLabels(one, x.shape[1], path.rows, path.best, len(path.held)))
        chosen = min(tried, key=lambda one: (one.loss, one.features))
        head = _fitted(features(chosen.candidate.name), targets, chosen.penalty)
    net, made = with_head(definition, load(weights), options[chosen.candidate.name], head, view.heads()[-1])
    made.extras = extras(net.definition, names, entries)
    return StartedLabels(net.definition, made, net.notes, tried, chosen, head)


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
