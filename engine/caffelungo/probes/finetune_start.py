"""Starts fine-tuning from the best linear classifier on the frozen net.

    net pointed at pictures -> every stage, and all joined, judged by cross-validation -> the best of them as the net's
    classifier: at iteration 0 the net answers as that classifier does, and training goes on from there

Kumar et al. 2022 (a fitted head keeps features from being spoilt by a random one); Evci et al. 2022 (Head2Toe: features
of all layers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from caffelungo import drafts
from caffelungo.definition.definition import Definition
from caffelungo.features.pooled import Pooled
from caffelungo.passes.base import Note
from caffelungo.passes.join import JoinedOptions, Read, columns
from caffelungo.passes.param_blocks import Rate
from caffelungo.passes.view import View
from caffelungo.probes.candidates import AUTO, ProbeCandidate, candidates
from caffelungo.probes.choose_candidate import LinearHead, TriedCandidate, attempt, choose, fit_head, held_out
from caffelungo.probes.class_correction import UNCORRECTED, ClassCorrection, without
from caffelungo.probes.feature_matrix import Subject, matrix, read
from caffelungo.probes.penalty_path import KORNBLITH
from caffelungo.probes.picture_entries import Entry
from caffelungo.probes.write_net import extras, with_head
from caffelungo.solve.engine import Engine
from caffelungo.weights.load import load
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

PENALTIES = KORNBLITH[::2]
"""Two steps of the path at a time: a start need not be exact to a factor of 1.8 in its penalty."""
PATIENCE = 2
"""Penalties in a row without a better one that end the path. Weak penalties take most of the time."""
FOLDS = 4
MANY = 1500
"""From so many pictures on a fifth of them held out once chooses as well as folds, in a quarter of the time."""
SCALE = 10.0
"""Length of each part that the classifier reads. With it the classifier's weights are about as large as those of
convolutions, so that one rate serves both."""
RATES: tuple[Rate, Rate] = ((1.0, 1.0), (1.0, 0.0))
"""The classifier is no newer than the layers below it: it learns at their pace."""

Stage = Callable[[str, int, int], None]
Reader = Callable[[Sequence[Entry], Sequence[str], bool], Pooled | None]
"""Features that somebody has computed already, of pictures and blobs (mirrored, too); None where these are others."""


@dataclass(frozen=True)
class Started:
    """The net whose classifier is ``head``, the weights it starts from, and how the candidates did (``rows``);
    ``notes`` is what was done to the net."""

    definition: Definition
    weights: Weights
    notes: list[Note]
    rows: list[TriedCandidate]
    chosen: TriedCandidate
    head: LinearHead


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
    view = View(definition)
    found = candidates(view, layers)
    labels = np.array([label for _, label in entries], np.int64)
    counts = correction.weights(labels, len(classes))
    blobs = list(dict.fromkeys(blob for one in found for blob in one.blobs))
    what = f"features of {counted(len(entries), 'picture')}"

    def tell(done: float, total: float, text: str = "") -> None:
        say(what, int(done), int(total))

    rows: list[TriedCandidate] = []
    with drafts.scratch() as folder:
        place = cache or folder
        known = reader(entries, blobs, mirrored) if reader is not None else None
        subject = Subject(definition, [weights], engine)
        pooled = known or read(subject, entries, blobs, mirrored=mirrored, cache=place, say=tell)
        parts = held_out(labels, FOLDS, seed, groups, MANY)
        options = {one.name: _joined(one, head, suffix) for one in found}

        def features(name: str) -> Tensor:
            return matrix(pooled, [(blob, pool) for blob, pool, _ in columns(view, options[name])])

        for number, one in enumerate(found):
            say("linear classifiers on frozen features", number, len(found))
            # The penalty means the same with mirrored copies, so it can be chosen without them, in half the time.
            x = features(one.name)[: len(labels)].to(engine.device)
            rows.append(attempt(one, x, labels, len(classes), parts, penalties=PENALTIES, patience=PATIENCE))
        chosen = choose(rows)
        x = features(chosen.candidate.name).to(engine.device)
        fitted = fit_head(x, labels, len(classes), chosen.penalty, counts=counts)
        fitted = without(fitted, correction.shares(labels, len(classes)))
    main = view.heads(head)[-1]
    net, made = with_head(definition, load(weights), options[chosen.candidate.name], fitted, main)
    made.extras = extras(net.definition, classes, entries)
    return Started(net.definition, made, net.notes, rows, chosen, fitted)


def _joined(candidate: ProbeCandidate, head: str | None, suffix: str) -> JoinedOptions:
    """The classifier ``head`` of the net as one that reads what ``candidate`` does."""
    reads = tuple(Read(blob) for blob in candidate.blobs)
    return JoinedOptions(reads, head, suffix=suffix, rates=RATES, scale=SCALE)
