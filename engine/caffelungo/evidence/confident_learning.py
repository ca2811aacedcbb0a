"""Pictures whose label is probably wrong: confident learning on probabilities of pictures held out. NumPy only.

C. Northcutt, L. Jiang and I. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, Journal of
Artificial Intelligence Research 70 (2021).

    threshold of class j        the mean probability of j in pictures labelled j
    confident joint C[i, j]     pictures labelled i whose probability of j is at least j's threshold; where several
                                classes qualify, the most probable; where none does, none
    joint[i, j]                 C with each row scaled to the number of pictures labelled i, and all to sum 1
    suspects                    of each cell i != j, the N joint[i, j] pictures labelled i with the largest margin of j
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import Floats, Labels, shares_and_labels

SELF, MARGIN = "self-confidence", "margin"


@dataclass(frozen=True)
class LabelErrors:
    """``joint`` (C x C, sums to 1): the share labelled i that is of class j; ``counts``: the confident ones.

    ``confidence`` (N) is the probability of the label and ``margin`` (N) that less the largest of the other classes',
    -1 to 1; ``likely`` (N) is that other class. ``suspects`` are rows in the order of their confidence.
    """

    thresholds: Floats
    counts: NDArray[np.int64]
    joint: Floats
    confidence: Floats
    margin: Floats
    likely: Labels
    suspects: Labels

    @property
    def share(self) -> float:
        """What of ``joint`` is off the diagonal: wrong labels, and all that the classifier mistakes with confidence.

        That is far more than wrong labels where classes are hard: 0.2 of sets with 0.05, at an accuracy of 0.7.
        """
        return float(self.joint.sum() - np.trace(self.joint))

    def ranked(self, by: str = SELF) -> Labels:
        """All rows that were judged, the most suspicious first, ``by`` self-confidence or margin.

        In the first 8 % self-confidence showed as many of the planted errors as the margin, or more (5 % of 800 to
        1,000 pictures, three sets, two layers).
        """
        scores = {MARGIN: self.margin, SELF: self.confidence}.get(by)
        if scores is None:
            raise UserError("no such order", received=by, remedy=f"use one of: {MARGIN}, {SELF}")
        order = np.argsort(scores, kind="stable")
        return order[~np.isnan(scores[order])]


def label_errors(probabilities: ArrayLike, labels: ArrayLike, judged: ArrayLike | None = None) -> LabelErrors:
    """Of probabilities N x C of pictures held out, and N labels, which are columns.

    ``judged`` (N, bool): rows whose classifier knew their class; the others have no margin (NaN), and are in no count.
    UserError as ``shares_and_labels``, and where a label is no column or a class has no picture that was judged.
    """
    found, _, _ = shares_and_labels(probabilities, labels)
    p = np.asarray(found, np.float64)
    given = np.asarray(labels, np.int64)
    known = np.ones(len(p), np.bool_) if judged is None else np.asarray(judged, np.bool_)
    classes = p.shape[1]
    if given.min() < 0 or given.max() >= classes or known.shape != given.shape:
        raise UserError(
            "labels must be columns of the probabilities",
            received=f"labels {given.min()} to {given.max()}, {classes} columns, {known.size} marks of {len(given)}",
            remedy="number the classes from 0, in the order of the columns",
        )
    sizes = np.bincount(given[known], minlength=classes)
    own = p[np.arange(len(p)), given]
    sums = np.bincount(given[known], own[known], classes)
    # A class without pictures is not reached by any probability.
    thresholds = np.divide(sums, sizes, out=np.full(classes, np.inf), where=sizes > 0)
    counts = _confident(p[known], given[known], thresholds)
    joint = _calibrated(counts, sizes)
    others = p.copy()
    others[np.arange(len(p)), given] = -1
    likely = others.argmax(1)
    margin = np.where(known, own - others.max(1), np.nan)
    rows = np.flatnonzero(known)
    suspects = rows[_pruned(p[known], given[known], joint)]
    suspects = suspects[np.argsort(own[suspects], kind="stable")]
    return LabelErrors(thresholds, counts, joint, np.where(known, own, np.nan), margin, likely, suspects)


def _confident(p: Floats, given: Labels, thresholds: Floats) -> NDArray[np.int64]:
    reached = np.where(p >= thresholds - 1e-12, p, -1.0)  # a mean of equal numbers may be rounded up
    best = reached.argmax(1)
    some = reached.max(1) >= 0
    counts = np.zeros((len(thresholds), len(thresholds)), np.int64)
    np.add.at(counts, (given[some], best[some]), 1)
    return counts


def _calibrated(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Floats:
    """``counts`` scaled so that row i sums to the share of pictures labelled i.

    A class with pictures has a count, as its highest probability is not below the mean: empty rows are of the others.
    """
    rows = counts * (sizes / np.maximum(counts.sum(1), 1))[:, None]
    return np.asarray(rows / rows.sum(), np.float64)


def _pruned(p: Floats, given: Labels, joint: Floats) -> Labels:
    """Rows: of each cell off the diagonal as many as the joint says, those with the largest p_j - p_i."""
    found: set[int] = set()
    for i in np.unique(given):
        rows = np.flatnonzero(given == i)
        for j in np.flatnonzero(joint[i] > 0):
            wanted = round(len(given) * joint[i, j])
            if i != j and wanted:
                order = np.argsort(p[rows, i] - p[rows, j], kind="stable")
                found.update(rows[order[:wanted]].tolist())
    return np.array(sorted(found), np.int64)
