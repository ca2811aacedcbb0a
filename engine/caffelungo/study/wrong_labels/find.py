"""Which labels are probably wrong: what classifiers say of each picture that have not learned from it or its copies.

pictures -> features of the frozen net -> cross-validated classifiers -> confident learning -> a ranking, with the most
similar pictures of each, and copies under two labels
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import folder as photos
from caffelungo.data import split_pictures
from caffelungo.data.picture_table import PictureColumns
from caffelungo.errors import UserError
from caffelungo.evidence.confident_learning import LabelErrors, label_errors
from caffelungo.evidence.held_out_probabilities import held_out_probabilities
from caffelungo.probes.options import ProbeOptions
from caffelungo.probes.picture_entries import Gathered
from caffelungo.probes.probed_net import ProbedNet
from caffelungo.probes.results import JudgedHead, judge
from caffelungo.rewriting.folder_files import word_of
from caffelungo.rewriting.retarget import PointOptions, needed, open_net
from caffelungo.study.wrong_labels import trust
from caffelungo.study.wrong_labels.options import WrongLabelOptions, check

Progress = Callable[[str, int, int], None]
SHARE, FEWEST, MOST = 0.08, 20, 500
"""Of all pictures this share is listed, but at least and at most so many."""
NEAREST = 3
"""Similar pictures that are shown beside each."""


@dataclass(frozen=True)
class DoubtfulLabel:
    """A picture by its ``place`` among those judged. ``confidence`` is the probability of its ``label``,
    ``probability`` that of the class ``likely``; ``suspect``: whether confident learning counts it among the wrong
    ones. ``nearest``: the most similar pictures with trusted labels, by place.
    """

    place: int
    label: int
    likely: int
    confidence: float
    probability: float
    suspect: bool
    nearest: list[int]


@dataclass(frozen=True)
class TwoLabels:
    """Two pictures by place that are equal (``exact``) or nearly so, and have different labels."""

    first: int
    second: int
    exact: bool


@dataclass(frozen=True)
class WrongLabels:
    """``names`` and ``paths`` are those of the N pictures judged, ``labels`` (N) places in ``classes``.

    ``doubtful`` are the ones to look at, the likeliest wrong labels first; ``two_labels`` copies under two labels.
    ``judged`` is how often the classifiers agree with the labels.
    """

    classes: tuple[str, ...]
    names: list[str]
    paths: list[str]
    labels: NDArray[np.int64]
    doubtful: list[DoubtfulLabel]
    two_labels: list[TwoLabels]
    errors: LabelErrors
    judged: JudgedHead
    trust: list[str]
    notices: list[str]
    layers: str

    @property
    def suspects(self) -> int:
        """How many labels are in doubt: wrong ones, and what the classifiers mistake with confidence."""
        return len(self.errors.suspects)


def find(options: WrongLabelOptions, say: Progress = lambda what, done, count: None) -> WrongLabels:
    """Everything that there is to be found. UserError with all that is wrong with net, weights and pictures."""
    check(options)
    wanted = PointOptions(
        options.model, options.weights, head=options.head, suffix=word_of(options.data or ""), size=options.side,
        device=options.device, variables=options.variables, stages=options.stages, level=options.level,
    )  # fmt: skip
    opened = open_net(wanted)
    weights = needed(opened, options.model)
    found = photos.scan(
        str(options.data), progress=lambda done, total: say("reading pictures", done, total), groups=options.groups,
        columns=PictureColumns(options.path_column, options.label_column), hints=True, corrected=options.corrections,
    )  # fmt: skip
    chosen = split_pictures.few(
        found, split_pictures.FolderSplit(found.usable, [], []), options.per_class, options.seed
    ).train
    paths = [found.pictures.path(index) for index in chosen]
    labels = found.pictures.labels[chosen]
    gathered = Gathered(
        found.classes, list(zip(paths, labels.tolist(), strict=True)), None, found.copies_among(chosen), found.notices
    )
    work = ProbedNet(_probing(options), gathered, wanted, opened, weights, say)
    features = _features(work, gathered, options).astype(np.float32)
    known, columns = np.unique(labels, return_inverse=True)
    held = held_out_probabilities(
        features, labels, groups=gathered.groups, seed=options.seed,
        progress=lambda done, total: say("cross-validating classifiers", done, total),
    )  # fmt: skip
    errors = label_errors(held.probabilities, columns, held.judged)
    listed = _listed(errors, options.top)
    similar = _similar(features, listed, errors, gathered)
    notices = [*opened.definition.notes, *found.notices]
    if not held.converged:
        notices.append("the classifiers have not converged")
    judged = judge(held.probabilities.argmax(1)[held.judged], columns[held.judged])
    sizes = {found.classes[label]: int((labels == label).sum()) for label in known}
    return WrongLabels(
        found.classes, [found.pictures.names[index] for index in chosen], paths, labels,
        _doubtful(listed, errors, held.probabilities, known[columns], known, similar),
        _two_labels(found, chosen), errors, judged, trust.sentences(judged, sizes, held.judged), notices,
        work.candidates[0].name,
    )  # fmt: skip


def _probing(options: WrongLabelOptions) -> ProbeOptions:
    return ProbeOptions(
        net=options.model, data=options.data, weights=options.weights, layers=options.layers, seed=options.seed,
        size=options.side, variables=options.variables, head=options.head, stages=options.stages, level=options.level,
        device=options.device, gpu=options.gpu, precision=options.precision, threads=options.threads,
    )  # fmt: skip


def _features(work: ProbedNet, gathered: Gathered, options: WrongLabelOptions) -> NDArray[np.floating]:
    if len(work.candidates) != 1:
        raise UserError(
            "the classifiers read one candidate", received=f"--layers {','.join(options.layers)}",
            remedy="name one blob, several as a+b, all, or head",
        )  # fmt: skip
    return np.asarray(work.features(gathered.entries, work.candidates[0], False))


def _listed(errors: LabelErrors, top: int | None) -> NDArray[np.int64]:
    ranked = errors.ranked()
    count = top if top is not None else min(max(FEWEST, math.ceil(SHARE * len(ranked))), MOST)
    return ranked[:count]


def _doubtful(
    listed: NDArray[np.int64],
    errors: LabelErrors,
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    known: NDArray[np.int64],
    nearest: Sequence[list[int]],
) -> list[DoubtfulLabel]:
    suspects = set(errors.suspects.tolist())
    return [
        DoubtfulLabel(
            int(place), int(labels[place]), int(known[errors.likely[place]]), float(errors.confidence[place]),
            float(probabilities[place, errors.likely[place]]), int(place) in suspects, near,
        )
        for place, near in zip(listed.tolist(), nearest, strict=True)
    ]  # fmt: skip


def _similar(
    features: NDArray[np.float32], listed: NDArray[np.int64], errors: LabelErrors, gathered: Gathered
) -> list[list[int]]:
    """For each of ``listed`` the pictures of the most similar features (cosine) that are neither listed nor suspects,
    nor copies of it."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, np.float32(1e-12))
    doubted = np.zeros(len(unit), np.bool_)
    doubted[errors.suspects], doubted[listed] = True, True
    copies = {place: group for group in gathered.groups for place in group}
    found = []
    for place in listed.tolist():
        nearness = np.where(doubted, -np.inf, unit @ unit[place])
        nearness[copies.get(place, [place])] = -np.inf
        order = np.argsort(-nearness, kind="stable")[:NEAREST]
        found.append([int(one) for one in order if np.isfinite(nearness[one])])
    return found


def _two_labels(found: photos.PhotoFolder, chosen: Sequence[int]) -> list[TwoLabels]:
    """Copies among the pictures ``chosen`` that have different labels: equal ones first."""
    places = {index: place for place, index in enumerate(chosen)}
    labels = found.pictures.labels
    result = []
    exact = [(group[0], other) for group in found.groups for other in group[1:]]
    near = found.near
    alike = (
        [] if near is None else zip(near.first[~near.exact].tolist(), near.second[~near.exact].tolist(), strict=True)
    )
    for same, pairs in ((True, exact), (False, alike)):
        for one, two in pairs:
            if one in places and two in places and labels[one] != labels[two]:
                result.append(TwoLabels(places[one], places[two], same))
    return result
