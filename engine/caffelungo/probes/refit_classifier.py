"""A trained net's own classifier fitted again, to the pictures set aside as well, unless that would lose.

    features of the trained net: those it was trained on, and those set aside, which chose its best weights
    -> penalties by how classifiers of the former do on the latter -> the best of them, against the classifier as it is
    -> fitted to all pictures; or the classifier as it is, unless the best is better than chance explains

Where no layer below has been trained since the classifier was fitted, there is nothing to lose, and it is fitted to all
pictures in any case: with the penalty that it was fitted with, unless another does better on the pictures set aside.

Features of pictures that a net was trained on tell classes apart better than those of others do, so that
cross-validation among them would choose penalties that are far too weak: only pictures set aside can choose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from caffelungo.net.store import Store
from caffelungo.passes.view import ClassifierLayer
from caffelungo.probes import logistic
from caffelungo.probes.candidates import HEAD, ProbeCandidate
from caffelungo.probes.choose_candidate import SCALES, LinearHead, TriedCandidate, fit_head
from caffelungo.probes.class_correction import UNCORRECTED, ClassCorrection, without
from caffelungo.probes.penalty_path import KORNBLITH, interval, path, standard_error
from caffelungo.probes.scaling import global_scale
from caffelungo.probes.weighted_problems import Fitted


@dataclass(frozen=True)
class Refitted:
    """``head`` is what the net gets, ``row`` how the best penalty did on the pictures set aside.

    ``loss`` is that of the classifier as it was there; ``kept``: it is what the net gets, unchanged. ``losses`` are
    those of the better of both, picture by picture.
    """

    head: LinearHead
    row: TriedCandidate
    loss: float
    kept: bool
    losses: Tensor


def as_it_is(classifier: ClassifierLayer, store: Store) -> LinearHead:
    """The classifier as its weights in ``store`` have it, for features as ``feature_matrix.read_head`` gives them."""
    blobs = [blob.detach().float().cpu().numpy() for blob in store.blobs(classifier.head.key)]
    bias = blobs[1] if len(blobs) > 1 else np.zeros(classifier.classes, np.float32)
    weight = blobs[0]
    options = classifier.head.layer.options
    if classifier.head.layer.type == "InnerProduct" and options.transpose:
        weight = weight.T
    return LinearHead(np.ascontiguousarray(weight.reshape(len(bias), -1)), bias, 0.0, True)


def refitted(
    x: Tensor,
    labels: NDArray[np.int64],
    classes: int,
    aside: Tensor,
    trained: LinearHead,
    *,
    scaling: str = "unit",
    progress: Callable[[int, int], None] | None = None,
    correction: ClassCorrection = UNCORRECTED,
) -> Refitted:
    """The better of ``trained`` and of a classifier of ``x``: N x D of all pictures, or 2N x D with mirrored ones.

    ``aside`` (N, bool) are the pictures that no training saw. ``trained`` stays unless it is a converged classifier
    itself, or the other's loss on them is lower by more than one standard error of the differences picture by picture.
    Pictures count, and answers are compared, as ``correction`` says.

    UserError as ``penalty_path.path``.
    """
    count = len(labels)
    y = torch.from_numpy(labels)
    scaled = SCALES[scaling](x[:count])(x)
    counts, shares = correction.weights(labels, classes), correction.shares(labels, classes)
    found = path(
        scaled, y, classes, aside, KORNBLITH[::2], versions=len(x) // count, patience=2, progress=progress,
        weights=counts,
    )  # fmt: skip

    def fitted(penalty: float, scaling: str) -> LinearHead:
        return without(fit_head(x, labels, classes, penalty, scaling=scaling, counts=counts), shares)

    right = found.predictions.cpu() == y[found.held.cpu()]
    row = TriedCandidate(
        ProbeCandidate(HEAD, ()),
        x.shape[1],
        found.rows,
        found.best,
        int(right.sum()),
        len(right),
        *interval(right.numpy()),
    )
    judged = aside.numpy()
    mine = losses(trained, x[:count][aside], labels[judged], None if counts is None else counts[judged], shares)
    theirs = found.losses.cpu()
    if gained(mine, theirs):
        return Refitted(fitted(found.penalty, scaling), row, float(mine.mean()), False, theirs)
    own = converged_penalty(without(trained, None if shares is None else -shares), x, labels, ~aside, counts)
    if own is None:
        return Refitted(trained, row, float(mine.mean()), True, mine)
    if float(theirs.mean()) < float(mine.mean()):
        return Refitted(fitted(found.penalty, scaling), row, float(mine.mean()), False, theirs)
    scale = float(global_scale(x[:count]).scale[0])
    return Refitted(fitted(own * scale**2, "unit"), row, float(mine.mean()), False, mine)


def losses(
    head: LinearHead,
    x: Tensor,
    labels: NDArray[np.int64],
    counts: NDArray[np.float64] | None = None,
    shares: NDArray[np.float64] | None = None,
) -> Tensor:
    """Cross-entropy of ``head`` on features N x D, picture by picture (N, float64, on the CPU).

    ``counts`` (N) is how much each of them counts, in the mean 1 here, ``shares`` (C) is added to the answers.
    """
    answers = head.answers(x).double().cpu()
    answers = answers if shares is None else answers + torch.from_numpy(shares)
    each = F.cross_entropy(answers, torch.from_numpy(labels), reduction="none")
    return each if counts is None else each * torch.from_numpy(counts / counts.mean())


def gained(before: Tensor, after: Tensor) -> bool:
    """Whether losses ``after`` (N) are below those ``before``, of the same pictures, by more than one standard error of
    their differences."""
    gain = before - after
    return float(gain.mean()) > standard_error(gain)


NEAR = 0.02
"""Share of the penalty's part of the objective by which a fitted classifier may be above the least. The penalty makes
the objective strongly convex, so that its weights are then within a seventh (the root of this) of the fitted ones."""
ENOUGH = 100
"""Steps from the classifier on in which a solver would find less, if there were."""


def converged_penalty(
    head: LinearHead,
    x: Tensor,
    labels: NDArray[np.int64],
    learned: Tensor,
    counts: NDArray[np.float64] | None = None,
) -> float | None:
    """The penalty with which ``head`` is a linear classifier fitted to the rows ``learned`` (N, bool) of ``x``, of
    which each counts as ``counts`` (N) says.

    None where it is no such classifier. The penalty is that of weights for ``x`` as it is, without scaling.

    There the gradient of the losses is minus the penalty times the weights, which gives the penalty; then a solver that
    starts there finds nothing lower. The direction of the gradient alone does not decide: what a tiny penalty adds to
    it is less than what a solver leaves. ``x`` is N x D, or versions of it.
    """
    versions = len(x) // len(labels)
    chosen = learned.repeat(versions).to(x.device)
    rows = x[chosen]
    each = torch.ones(len(labels)) if counts is None else torch.from_numpy(counts)
    each = each[learned] / each[learned].mean() / versions
    share = each.repeat(versions).to(x)
    y = torch.from_numpy(labels).repeat(versions).to(x.device)[chosen]
    weight, bias = (torch.from_numpy(array).to(x) for array in (head.weight, head.bias))
    residual = head.answers(rows).double().softmax(1)
    residual[torch.arange(len(y), device=x.device), y] -= 1
    middle = (share[:, None] * rows).sum(0) / share.sum()
    gradient = (residual.T.to(x.dtype) * share) @ (rows - middle)
    square = float(weight.square().sum())
    penalty = -float((gradient * weight).sum()) / square if square else 0.0
    if not penalty > 0:
        return None

    def objective(weight: Tensor, bias: Tensor) -> float:
        losses = F.cross_entropy((rows @ weight.T + bias).double(), y, reduction="none")
        return float((losses * share).sum()) + penalty / 2 * float(weight.square().sum())

    none = torch.zeros(1, device=x.device)
    least = logistic.fit(
        rows, y, len(bias), penalty, share[None],
        Fitted(weight[None], bias[None], none, none, none > 0), iterations=ENOUGH,
    )  # fmt: skip
    gap = objective(weight, bias) - objective(least.weight[0], least.bias[0])
    return penalty if gap <= NEAR * penalty / 2 * square else None
