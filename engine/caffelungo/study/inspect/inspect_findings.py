"""Everything that an inspection finds, computed before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from caffelungo.report.classification_score import TOP, Classified
from caffelungo.study.inspect import embedding, reading, single_units
from caffelungo.study.inspect.filters import Filters
from caffelungo.study.inspect.group_accuracy import Right
from caffelungo.study.inspect.groups import Top
from caffelungo.study.inspect.inspected_nets import Before, Tuned
from caffelungo.study.inspect.reading import Readings
from caffelungo.study.inspect.similarity import Floats, linear_cka, neighbours_agree
from caffelungo.study.inspect.single_units import Unit

HARDEST = 24
"""Pictures of the highest loss that are shown."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of weighted sums. ``cka`` without bias and ``cka_biased`` compare its units before and after; ``dead``
    units never rise above zero (None where they pass no ReLU); ``norm`` is the mean length of its features."""

    name: str
    units: int
    old: bool
    change: float
    cka: float
    cka_biased: float
    dead_before: int | None
    dead: int | None
    norm_before: float
    norm: float


@dataclass(frozen=True)
class GroupRow:
    """One group at the classifier's input: its units, their mean length as they are (``raw``), before, and as read."""

    name: str
    layers: list[str]
    units: int
    raw_before: float
    raw: float
    read: float


@dataclass(frozen=True)
class Hard:
    """A picture of high loss: its position, its classes, and the probabilities that the net gives them."""

    position: int
    number: int
    truth: int
    predicted: int
    true_probability: float
    probability: float
    loss: float


@dataclass(frozen=True)
class FeaturePlane:
    """Features on a plane; ``agree``: the share of pictures whose nearest neighbour is of their class."""

    title: str
    points: Floats
    features: int
    agree: float


@dataclass
class InspectFindings:
    """All of it. ``curves`` are accuracies over the snapshots, ``now`` those of the inspected weights."""

    tuned: Tuned
    before: Before | None
    top: Top
    readings: Readings
    names: list[str]
    classified: Classified
    layers: list[LayerRow]
    groups: list[GroupRow]
    now: list[Right]
    curves: list[Right]
    units: list[Unit]
    hardest: list[Hard]
    maps: list[FeaturePlane]
    filters: Filters | None
    method: str = "PCA"
    notices: list[str] = field(default_factory=list)


def classify(logits: Floats, labels: NDArray[np.int64], names: list[str]) -> Classified:
    """Counts of right and wrong answers; a tie with the true class is wrong, as in Caffe's Accuracy."""
    classes = logits.shape[1]
    rows = np.arange(len(labels))
    better = (logits >= logits[rows, labels][:, None]).sum(1) - 1
    others = logits.copy()
    others[rows, labels] = -np.inf
    predicted = np.where(better == 0, labels, others.argmax(1))
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return Classified(confusion.astype(np.int64), int((better < TOP).sum()), names)


def hardest(logits: Floats, found: Readings, count: int = HARDEST) -> list[Hard]:
    """The pictures with the highest loss, -ln of the true class's probability, highest first."""
    highest = logits.max(1, keepdims=True)
    log_sum = highest[:, 0] + np.log(np.exp(logits - highest).sum(1))
    logs = logits - log_sum[:, None]
    rows = np.arange(len(logits))
    losses = -logs[rows, found.labels]
    predicted = logits.argmax(1)
    return [
        Hard(
            int(row), int(found.numbers[row]), int(found.labels[row]), int(predicted[row]),
            float(np.exp(-losses[row])), float(np.exp(logs[row, predicted[row]])), float(losses[row]),
        )
        for row in np.argsort(-losses, kind="stable")[:count]
    ]  # fmt: skip


def layer_rows(tuned: Tuned, before: Before | None, found: Readings) -> list[LayerRow]:
    """A row for each layer of weighted sums, from the input up."""
    rows = []
    for planned in tuned.runner.learned:
        name, past = planned.name, found.before
        known = before is not None and past is not None and name in before.known and name in past.features
        cka = (float("nan"), float("nan"))
        change = norm = float("nan")
        rectified = reading.rectified(tuned, name)
        dead = None
        if known:
            assert past is not None
            assert before is not None
            cka = linear_cka(np.concatenate(past.features[name]), np.concatenate(found.after.features[name]))
            change = single_units.layer_change(name, tuned.runner, before.runner)
            dead, norm = past.dead(name), past.norm(name)
        rows.append(
            LayerRow(
                name, len(found.after.highest[name]), known, change, *cka,
                dead if rectified else None, found.after.dead(name) if rectified else None,
                norm, found.after.norm(name),
            )
        )  # fmt: skip
    return rows


def group_rows(top: Top, found: Readings) -> list[GroupRow]:
    """A row for each group at the classifier's input."""
    past = found.before
    return [
        GroupRow(
            group.name, group.layers, group.units,
            past.norm(f"{group.name} raw") if past is not None else float("nan"),
            found.after.norm(f"{group.name} raw"), found.after.norm(group.name),
        )
        for group in top.groups
    ]  # fmt: skip


def feature_maps(top: Top, found: Readings, seed: int) -> list[FeaturePlane]:
    """The top features on a plane, in the paper's order: before, after, and each group of a grown net."""
    sets: list[tuple[str, Floats]] = []
    if found.before is not None and "old units" in found.before.top:
        sets.append(("old units before" if top.groups else "before", np.concatenate(found.before.top["old units"])))
    sets += [(f"{group.name} after", np.concatenate(found.after.top[group.name])) for group in top.groups]
    sets.append(("all units after" if top.groups else "after", np.concatenate(found.after.top["all"])))
    labels = found.labels[found.mapped]
    return [
        FeaturePlane(title, embedding.plane(features, seed), features.shape[1], neighbours_agree(features, labels))
        for title, features in sets
    ]
