"""A classifier of a net, fitted in place to what it reads now: how a new task's one starts.

net with a fresh classifier, weights, pictures -> what it reads of each picture -> the converged linear classifier
-> weights with it, and with the fillers' values of all else that was new and that it was fitted on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from caffelungo import drafts
from caffelungo.definition.definition import Definition
from caffelungo.features.frozen_features import Say, silent
from caffelungo.passes.view import View
from caffelungo.probes.candidates import HEAD, ProbeCandidate
from caffelungo.probes.choose_candidate import TriedCandidate, attempt, fit_head, held_out
from caffelungo.probes.class_correction import UNCORRECTED, ClassCorrection, without
from caffelungo.probes.feature_matrix import Subject, read_head
from caffelungo.probes.finetune_start import FOLDS, MANY, PATIENCE, PENALTIES
from caffelungo.probes.picture_entries import Entry
from caffelungo.probes.write_net import own_blobs
from caffelungo.solve.engine import Engine
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights


@dataclass(frozen=True)
class FittedHead:
    """``weights`` with the classifier fitted, how it did on pictures held out (``row``), and the mean over pictures of
    the squared length of what it reads (``energy``), which says what rate it bears."""

    weights: Weights
    row: TriedCandidate
    energy: float


def fitted_head(
    definition: Definition,
    weights: Weights,
    entries: Sequence[Entry],
    classes: int,
    engine: Engine,
    name: str,
    *,
    groups: Sequence[Sequence[int]] = (),
    mirrored: bool = False,
    seed: int = 0,
    correction: ClassCorrection = UNCORRECTED,
    say: Say = silent,
) -> FittedHead:
    """The classifier called ``name`` fitted to ``entries``; ``groups`` are copies of one picture, by their places.

    ``correction`` makes up for classes of different sizes, but not where the penalty is chosen (see
    ``finetune_start.start``).
    UserError where its answers are not linear in features of the whole picture.
    """
    head = View(definition).heads(name)[-1]
    labels = np.array([label for _, label in entries], np.int64)
    with drafts.scratch() as folder:
        path = folder / "weights.caffemodel"
        formats.write(path, replace(weights, extras=None), definition.message)
        subject = Subject(definition, [str(path)], engine)
        x = read_head(subject, entries, head, mirrored, say)
    parts = held_out(labels, FOLDS, seed, groups, MANY)
    row = attempt(
        ProbeCandidate(HEAD, ()), x[: len(labels)].to(engine.device), labels, classes, parts, penalties=PENALTIES,
        patience=PATIENCE,
    )  # fmt: skip
    counts = correction.weights(labels, classes)
    fitted = fit_head(x.to(engine.device), labels, classes, row.penalty, counts=counts)
    fitted = without(fitted, correction.shares(labels, classes))
    made = replace(
        weights,
        layers={**weights.layers, **subject.filled, **own_blobs(head, fitted)},
        types={**weights.types, **{layer.name: layer.type for layer in definition.message.layer}},
    )
    return FittedHead(made, row, float(x[: len(labels)].double().square().sum(1).mean()))
