"""Starts fine-tuning from the best linear classifier on the frozen net.

    net pointed at pictures -> every stage, and all joined, judged by cross-validation -> the best of them as the net's
    classifier: at iteration 0 the net answers as that classifier does, and training goes on from there

Kumar et al. 2022 (a fitted head keeps features from being spoilt by a random one); Evci et al. 2022 (Head2Toe: features
of all layers).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from caffelungo.definition.definition import Definition
from caffelungo.probes.candidates import AUTO
from caffelungo.probes.choose_candidate import TriedCandidate, attempt, choose, fit_head, held_out
from caffelungo.probes.class_correction import UNCORRECTED, ClassCorrection, without
from caffelungo.probes.penalty_path import KORNBLITH
from caffelungo.probes.picture_entries import Entry
from caffelungo.probes.start_candidates import Reader, Stage, StartCandidates, StartedNet
from caffelungo.solve.engine import Engine

PENALTIES = KORNBLITH[::2]
"""Two steps of the path at a time: a start need not be exact to a factor of 1.8 in its penalty."""
PATIENCE = 2
"""Penalties in a row without a better one that end the path. Weak penalties take most of the time."""
FOLDS = 4
MANY = 1500
"""From so many pictures on a fifth of them held out once chooses as well as folds, in a quarter of the time."""
Started = StartedNet[TriedCandidate]


def start(
    definition: Definition,
    weights: str,
    entries: Sequence[Entry],
    classes: Sequence[str],
    engine: Engine,
    *,
    layers: Sequence[str] = (AUTO,),
    head: str | None = None,
    suffix: str = "probe",
    groups: Sequence[Sequence[int]] = (),
    mirrored: bool = True,
    cache: Path | None = None,
    seed: int = 0,
    correction: ClassCorrection = UNCORRECTED,
    reader: Reader | None = None,
    say: Stage = lambda what, done, total: None,
) -> Started:
    """``definition`` (as ``retarget.point`` leaves it) with the best classifier for ``entries``, and its weights.

    ``groups``: copies of one picture, by places in ``entries``. Features are kept in ``cache`` where it is given; what
    ``reader`` has is not computed. ``correction`` makes up for classes of different sizes when the choice is fitted.
    The choice itself is made without: `benchmarks.imbalance` finds penalties chosen with weights no better in balanced
    accuracy, and worse in accuracy.
    """
    labels = np.array([label for _, label in entries], np.int64)
    counts = correction.weights(labels, len(classes))
    parts = held_out(labels, FOLDS, seed, groups, MANY)
    offered = StartCandidates(definition, weights, layers, head, suffix)
    rows: list[TriedCandidate] = []
    with offered.features(entries, engine, mirrored=mirrored, say=say, cache=cache, reader=reader) as features:
        for number, one in enumerate(offered.found):
            say("linear classifiers on frozen features", number, len(offered.found))
            # The penalty means the same with mirrored copies, so it can be chosen without them, in half the time.
            x = features(one)[: len(labels)].to(engine.device)
            rows.append(attempt(one, x, labels, len(classes), parts, penalties=PENALTIES, patience=PATIENCE))
        chosen = choose(rows)
        x = features(chosen.candidate).to(engine.device)
        fitted = fit_head(x, labels, len(classes), chosen.penalty, counts=counts)
        fitted = without(fitted, correction.shares(labels, len(classes)))
    return Started(*offered.net(chosen.candidate, fitted, classes, entries), rows, chosen, fitted)
