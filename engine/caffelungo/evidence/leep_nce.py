"""LEEP and NCE: how well a net's own classifier predicts the new labels. NumPy only, float64.

Z is the number of the net's classes and theta (N x Z) its probabilities of each picture.

    NCE  = -H(Y | Z), Z the most probable class         A. Tran, C. Nguyen and T. Hassner, ICCV 2019
    LEEP = mean of ln sum_z theta_z P(y | z)            C. Nguyen, T. Hassner, M. Seeger, C. Archambeau, ICML 2020
           P(y, z) = mean over pictures of [label is y] theta_z

Both are at most 0. NCE is at least -H(Y), which a net that knows nothing of the new classes has, and so is LEEP, by
Jensen's inequality. They are comparable on the same pictures only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from caffelungo.evidence.checked_features import Floats, Labels, chunks, shares_and_labels
from caffelungo.evidence.feature_axes import add_by_class


@dataclass(frozen=True)
class SourceScores:
    """``leep`` and ``nce`` in nats per picture; ``floor`` is -H(Y), that of a source that knows nothing."""

    leep: float
    nce: float
    floor: float


def source_scores(probabilities: ArrayLike, labels: ArrayLike) -> SourceScores:
    """Of the net's probabilities N x Z and the N new labels; classes without pictures do not count.

    UserError as ``shares_and_labels``.
    """
    theta, places, _ = shares_and_labels(probabilities, labels)
    classes, count = int(places.max()) + 1, len(places)
    joint = np.zeros((classes, theta.shape[1]))
    hard = np.zeros((classes, theta.shape[1]))
    for rows, part in chunks(theta):
        part = part / part.sum(1, keepdims=True)
        own = places[rows]
        add_by_class(joint, own, part / count)
        np.add.at(hard, (own, part.argmax(1)), 1 / count)
    known = joint.sum(0)
    given = np.divide(joint, known, out=np.zeros_like(joint), where=known > 0)
    total = 0.0
    for rows, part in chunks(theta):
        part = part / part.sum(1, keepdims=True)
        total += float(np.log((part * given[places[rows]]).sum(1)).sum())
    return SourceScores(total / count, -_conditional_entropy(hard), -label_entropy(places))


def label_entropy(labels: Labels) -> float:
    """H(Y) in nats: what there is to know."""
    share = np.bincount(labels) / len(labels)
    share = share[share > 0]
    return -float((share * np.log(share)).sum())


def _conditional_entropy(joint: Floats) -> float:
    """H(Y | Z) of P(y, z), C x Z."""
    known = np.broadcast_to(joint.sum(0), joint.shape)
    some = joint > 0
    return -float((joint[some] * np.log(joint[some] / known[some])).sum())
