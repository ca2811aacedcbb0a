"""Which candidate and which penalty, by pictures held out; and the classifier of the choice, fitted to all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.probes import logistic, svm
from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.folds import owners, stratified_folds
from caffelungo.probes.penalty_path import KORNBLITH, PenaltyRow, interval, path
from caffelungo.probes.scaling import Scaling, folded, global_scale, standardised
from caffelungo.probes.weighted_problems import Fitted

MANY = 20_000
"""From so many pictures on one part held out says enough, and folds would cost their number times as much."""
HELD = 5
"""One picture in so many is held out then."""
SCALES: dict[str, Callable[[Tensor], Scaling]] = {"unit": global_scale, "standardise": standardised}
"""What is done to parts at unit length: all centred and divided by one number, or each feature by its own deviation."""
CLASSIFIERS: dict[str, Callable[..., Fitted]] = {"logistic": logistic.fit, "svm": svm.fit}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TriedCandidate:
    """How a candidate of so many ``features`` did on pictures held out: a row per penalty, and the ``best`` of them.

    ``right`` of ``held`` pictures were right, an accuracy between ``low`` and ``high`` (95 %, Wilson).
    """

    candidate: ProbeCandidate
    features: int
    rows: tuple[PenaltyRow, ...]
    best: int
    right: int
    held: int
    low: float
    high: float

    @property
    def penalty(self) -> float:
        return self.rows[self.best].penalty

    @property
    def accuracy(self) -> float:
        return self.rows[self.best].accuracy

    @property
    def balanced(self) -> float:
        """The mean of the classes' recalls."""
        return self.rows[self.best].balanced

    @property
    def loss(self) -> float:
        """Mean cross-entropy (of SVMs the squared hinge)."""
        return self.rows[self.best].loss

    @property
    def converged(self) -> bool:
        return self.rows[self.best].converged

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "layers": self.candidate.name, "blobs": list(self.candidate.blobs), "features": self.features,
            "penalty": self.penalty, "accuracy": self.accuracy, "low": self.low, "high": self.high,
            "balanced_accuracy": self.balanced, "loss": self.loss, "right": self.right, "held_out": self.held,
            "converged": self.converged,
        }  # fmt: skip


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier on features as the net makes them: ``weight`` C x D, ``bias`` C (scaling folded in)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    penalty: float
    converged: bool

    def answers(self, x: Tensor) -> Tensor:
        """N x C of features N x D."""
        return x @ torch.from_numpy(self.weight).T.to(x) + torch.from_numpy(self.bias).to(x)


def held_out(
    labels: NDArray[np.int64], folds: int, seed: int, groups: Sequence[Sequence[int]] = (), many: int | None = None
) -> Tensor:
    """The fold of each picture, or which are held out where there are ``many`` (None: ``MANY``).

    Copies (``groups``, by place) stay together.
    """
    owner = owners(len(labels), groups)
    if len(labels) >= (MANY if many is None else many):
        return stratified_folds(labels, HELD, seed, owner) == 0
    return stratified_folds(labels, min(folds, len(np.unique(owner))), seed, owner)


def attempt(
    candidate: ProbeCandidate,
    x: Tensor,
    labels: NDArray[np.int64],
    classes: int,
    parts: Tensor,
    *,
    classifier: str = "logistic",
    scaling: str = "unit",
    penalties: Sequence[float] = KORNBLITH,
    patience: int = 4,
    progress: Progress | None = None,
) -> TriedCandidate:
    """Cross-validate ``candidate``, whose features are ``x`` (its versions of N pictures, one behind the other)."""
    versions = len(x) // len(labels)
    scaled = SCALES[scaling](x[: len(labels)])(x)
    found = path(
        scaled,
        torch.from_numpy(labels),
        classes,
        parts,
        penalties,
        classifier,
        patience,
        versions,
        progress=progress,
    )
    right = found.predictions.cpu() == torch.from_numpy(labels)[found.held.cpu()]
    low, high = interval(right.numpy())
    return TriedCandidate(candidate, x.shape[1], found.rows, found.best, int(right.sum()), len(right), low, high)


def choose(tried: Sequence[TriedCandidate], classifier: str = "logistic") -> TriedCandidate:
    """The candidate with the least loss on pictures held out; of SVMs, whose losses differ in scale, the most right."""
    if classifier == "svm":
        return max(tried, key=lambda one: (one.accuracy, -one.features))
    return min(tried, key=lambda one: (one.loss, one.features))


def fit_head(
    x: Tensor,
    labels: NDArray[np.int64],
    classes: int,
    penalty: float,
    *,
    classifier: str = "logistic",
    scaling: str = "unit",
    counts: NDArray[np.float64] | None = None,
) -> LinearHead:
    """The classifier of ``x`` with ``penalty``, on all rows, as weights for features without scaling.

    ``counts`` (N, of mean 1) is how much each picture counts; None: all alike.
    """
    versions = len(x) // len(labels)
    scale = SCALES[scaling](x[: len(labels)])
    y = torch.from_numpy(labels).repeat(versions)
    weights = torch.full((1, len(x)), 1 / versions, dtype=x.dtype, device=x.device)
    if counts is not None:
        weights = weights * torch.from_numpy(counts).repeat(versions).to(x)
    fitted = CLASSIFIERS[classifier](scale(x), y, classes, penalty, weights)
    weight, bias = (each[0] for each in folded(fitted, scale))
    if not bool(torch.isfinite(weight).all()):
        raise UserError("the classifier did not converge to finite weights", received=f"penalty {penalty:g}",
                        remedy="use a stronger penalty: --penalty 1")  # fmt: skip
    return LinearHead(
        weight.float().cpu().contiguous().numpy(), bias.float().cpu().contiguous().numpy(), penalty,
        bool(fitted.converged.all()),
    )  # fmt: skip
