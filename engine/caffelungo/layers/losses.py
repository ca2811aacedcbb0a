"""What losses over labels share: how the sum is normalized, and how labels are laid out beside scores.

Caffe: SoftmaxWithLossLayer::get_normalizer and its copies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.definition.schema import enum_value
from caffelungo.layers.base import ClassNumbers, Layer, Shape, count, shape_text

if TYPE_CHECKING:
    from torch import Tensor

FULL, VALID, BATCH_SIZE, NONE = (
    enum_value("LossParameter.NormalizationMode", name) for name in ("FULL", "VALID", "BATCH_SIZE", "NONE")
)
NEVER = -(2**31)
"""A label that no data set holds."""


def normalization(options: object, default: int, weighted: bool = False) -> int:
    """The mode that a LossParameter asks for; `normalize: false` is the old way to write BATCH_SIZE.

    Where no label is ignored, and none is ``weighted``, all of them count: then VALID is FULL, which needs no counting.
    """
    mode = default
    if options.HasField("normalization"):  # type: ignore[attr-defined]
        mode = int(options.normalization)  # type: ignore[attr-defined]
    elif options.HasField("normalize"):  # type: ignore[attr-defined]
        mode = VALID if options.normalize else BATCH_SIZE  # type: ignore[attr-defined]
    every = not weighted and not options.HasField("ignore_label")  # type: ignore[attr-defined]
    return FULL if mode == VALID and every else mode


def ignored(options: object) -> int:
    """The label to pass over, or one that never comes."""
    return int(options.ignore_label) if options.HasField("ignore_label") else NEVER  # type: ignore[attr-defined]


def normalized(
    total: Tensor,
    mode: int,
    batch: int,
    labels: Tensor,
    ignore: int,
    weights: Tensor | None = None,
    shares: Tensor | None = None,
) -> Tensor:
    """``total`` divided by what ``mode`` says, at least 1: labels that count, all labels, samples, or nothing.

    With ``weights`` of classes VALID is the sum of the weights of the labels that count, where there are any. A label
    counts as much as its share in ``shares`` says, if given; the shares of two labels make one sample of ``batch``.
    """
    if mode == VALID and (weights is not None or shares is not None):
        kept = labels != ignore
        each = total.new_ones(labels.shape) if weights is None else weights[labels.where(kept, labels.new_zeros(()))]
        each = each if shares is None else each * shares
        return by_sum(total, each.where(kept, each.new_zeros(())))
    if mode == VALID:
        return total / (labels != ignore).sum().clamp(min=1).to(total.dtype)
    if shares is not None:
        return total / {FULL: batch, BATCH_SIZE: batch, NONE: 1}[mode]
    return total / {FULL: labels.numel(), BATCH_SIZE: batch, NONE: 1}[mode]


def by_sum(total: Tensor, weights: Tensor) -> Tensor:
    """``total`` divided by the sum of ``weights``; as it is where that is 0."""
    divisor = weights.sum().to(total.dtype)
    return total / divisor.where(divisor > 0, divisor.new_ones(()))


def missed(logs: Tensor) -> Tensor:
    """1 - p of ``logs`` = log p."""
    import torch

    return above_0(-torch.expm1(logs))


def above_0(values: Tensor) -> Tensor:
    """``values`` that are 0 as the smallest number above it, for a power: below 1 it has no gradient at 0."""
    import torch

    return values.clamp_min(torch.finfo(values.dtype).tiny)


def class_numbers(bottoms: Sequence[Shape | None], axis: int, options: object = None) -> ClassNumbers:
    """Bottom 1 as the classes on ``axis`` of the scores in bottom 0; ``options`` may hold an ignore_label."""
    scores = bottoms[0]
    known = scores is not None and -len(scores) <= axis < len(scores)
    skipped = options is not None and options.HasField("ignore_label")  # type: ignore[attr-defined]
    return ClassNumbers(1, scores[axis] if known and scores else None, ignored(options) if skipped else None)


def within(labels: Tensor, classes: int, ignore: int = NEVER) -> tuple[Tensor, Tensor]:
    """``labels`` with 0 in place of those outside 0 .. ``classes`` - 1, and whether there are such (a bool on the
    device). ``ignore`` is let through.

    To be used with ``poisoned``: a read outside of memory would end a GPU's context, and to ask would stop it.
    """
    import torch

    outside = (labels < 0) | (labels >= classes)
    if ignore != NEVER:
        outside &= labels != ignore
    return torch.where(outside, 0, labels), outside.any()


def poisoned(value: Tensor, outside: Tensor) -> Tensor:
    """``value``, or NaN where a label was ``outside``: what no run takes for a result, and asks the reason of."""
    import torch

    if torch.compiler.is_exporting():  # another engine has its own way with such an index
        return value
    return torch.where(outside, torch.full_like(value, math.nan), value)


def check_labels(layer: Layer, bottoms: Sequence[Shape], axis: int) -> None:
    """LayerError unless bottom 1 holds one label for each position of bottom 0 outside ``axis``."""
    scores, labels = bottoms[0], bottoms[1]
    wanted = count((*scores[:axis], *scores[axis + 1 :]))
    got = count(labels)
    if wanted is not None and got is not None and wanted != got:
        raise layer.fail(
            f"there must be one label for each prediction, {wanted} here",
            received=f"scores {shape_text(scores)} (classes on axis {axis}), labels {shape_text(labels)}",
            remedy=f"give labels of shape {shape_text((*scores[:axis], *scores[axis + 1 :]))}",
        )


def side_by_side(scores: Tensor, labels: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Scores as (outer, classes, inner) and labels as int64 (outer, inner)."""
    axis %= scores.dim()
    scores = scores.flatten(0, axis - 1) if axis else scores.unsqueeze(0)
    scores = scores.flatten(2) if scores.dim() > 2 else scores.unsqueeze(2)
    return scores, labels.reshape(scores.shape[0], scores.shape[2]).long()
