"""How well scores tell which labels samples have: average precision, F1, and the thresholds that make F1 best.

Scores and targets are N x K: a row per sample, a column per label. A target is 1, 0 or UNKNOWN (-1), which counts
nowhere. A label without a positive sample has no average precision (NaN), and is in no mean over labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

UNKNOWN = -1
"""The target of a label of which nobody knows whether the sample has it."""
STEPS, VOC_2007, VOC_2010 = "steps", "voc2007", "voc2010"
FEW = 20
"""Positives of a label below which its own threshold is drawn towards the common one: it is chosen on too little."""
EVEN = 0.5
"""The threshold where none was chosen: right for calibrated probabilities and for the number of errors, not for F1."""


def average_precision(scores: Tensor, targets: Tensor, way: str = STEPS) -> Tensor:
    """K average precisions (float64) of scores and targets N x K; NaN for a label without a positive.

    Samples of equal scores are taken together. ``way`` is one of

    - STEPS: the sum of (R_k - R_(k-1)) P_k over the thresholds k, as scikit-learn's average_precision_score;
    - VOC_2007: the mean over recalls r = 0, 0.1 ... 1 of the highest precision at a recall of at least r;
    - VOC_2010: the area under the highest precision at each recall or a larger one, as PASCAL VOC has it since 2010.

    Source: M. Everingham et al., The PASCAL Visual Object Classes Challenge (IJCV 2010, section 4.2; IJCV 2015).
    """
    import torch

    hits, seen, ends, positives = _ranked(scores, targets)
    found = hits.cumsum(0).double().gather(0, ends)
    precision = found / seen.cumsum(0).gather(0, ends).clamp(min=1)
    highest = precision.flip(0).cummax(0).values.flip(0)
    if way == VOC_2007:
        recall = found / positives.clamp(min=1)
        levels = torch.arange(11, device=scores.device, dtype=recall.dtype)[:, None, None] / 10
        reached = recall[None] >= levels - 1e-12
        result = torch.where(reached, highest[None], 0).amax(1).mean(0)
    else:
        result = (hits * (highest if way == VOC_2010 else precision)).sum(0) / positives
    return torch.where(positives > 0, result, torch.nan)


def f1_counts(chosen: Tensor, targets: Tensor) -> Tensor:
    """3 x K: true positives, false positives and false negatives of the labels that are ``chosen`` (N x K, bool)."""
    import torch

    return torch.stack(
        [(chosen & (targets == 1)).sum(0), (chosen & (targets == 0)).sum(0), (~chosen & (targets == 1)).sum(0)]
    )


def micro_f1(counts: Tensor) -> Tensor:
    """F1 of all labels' ``counts`` (3 x K) together; 0 without any."""
    return _f1(counts.sum(1, keepdim=True))[0]


def label_f1(counts: Tensor) -> Tensor:
    """K F1 of ``counts``; NaN for a label without a positive."""
    import torch

    return torch.where(counts[0] + counts[2] > 0, _f1(counts), torch.nan)


def mean(values: Tensor) -> Tensor:
    """The mean of the numbers in ``values`` that are none of NaN; 0 without any."""
    kept = ~values.isnan()
    return values.where(kept, values.new_zeros(())).sum() / kept.sum().clamp(min=1)


def _f1(counts: Tensor) -> Tensor:
    right, wrong, missed = counts.double()
    return 2 * right / (2 * right + wrong + missed).clamp(min=1)


def best_thresholds(probabilities: Tensor, targets: Tensor) -> Tensor:
    """K thresholds at which the labels' F1 on these samples are best: a label is given from its threshold on.

    Below ``FEW`` positives a threshold is drawn towards the one that is best for all labels together, and without a
    positive it is that one. F1 is best at half of the best F1 where probabilities are calibrated (Lipton, Elkan and
    Naryanaswamy 2014), so a common threshold for all labels is usually below one half.
    """
    own = _best(probabilities, targets)
    common = _best(probabilities.reshape(-1, 1), targets.reshape(-1, 1))[0]
    trust = ((targets == 1).sum(0) / FEW).clamp(max=1).to(own.dtype)
    return own * trust + common * (1 - trust)


def _best(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The threshold of the best F1 in each column, half way to the next lower probability; EVEN without a positive."""
    import torch

    hits, seen, ends, positives = _ranked(probabilities, targets)
    ordered = probabilities.double().sort(0, descending=True).values
    found = 2 * hits.cumsum(0).double() / (seen.cumsum(0) + positives).clamp(min=1)
    # Only where the next probability is another one can a threshold lie.
    found = torch.where(ends == torch.arange(len(ends), device=ends.device)[:, None], found, -1.0)
    at = found.argmax(0, keepdim=True)
    least = ordered.gather(0, at)
    lower = torch.cat([ordered, ordered.new_zeros(1, ordered.shape[1])]).gather(0, at + 1)
    return torch.where(positives > 0, ((least + lower) / 2)[0], EVEN)


def _ranked(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """By falling scores, N x K each: whether a sample is positive, whether it is known, and the place of the last
    sample of the same score; and K numbers of positives."""
    import torch

    ordered, order = scores.double().sort(0, descending=True)
    targets = targets.gather(0, order)
    places = torch.arange(len(ordered), device=scores.device)[:, None].expand_as(order)
    last = torch.ones_like(order, dtype=torch.bool)
    last[:-1] = ordered[:-1] != ordered[1:]
    ends = torch.where(last, places, len(ordered)).flip(0).cummin(0).values.flip(0)
    hits = (targets == 1).long()
    return hits, ((targets == 1) | (targets == 0)).long(), ends, hits.sum(0)
