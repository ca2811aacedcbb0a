"""How well distances tell pairs that belong together from pairs that do not: the ROC curve, its area, equal error rate.

A pair is accepted where its distance is at most a threshold. Distances N, same N (not 0: the pair belongs together).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def roc(distance: Tensor, same: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """At each of the N distances as threshold, ascending: it, and the shares of accepted pairs among those apart and
    among those together. Shares of nothing are 0."""
    import torch

    values, order = distance.double().sort()
    together = (same != 0).double()[order]
    last = torch.searchsorted(values, values, right=True) - 1  # of equal distances, which are accepted together
    wrong, right = ((1 - together).cumsum(0)[last], together.cumsum(0)[last])
    return values, wrong / wrong[-1:].clamp(min=1), right / right[-1:].clamp(min=1)


def area(distance: Tensor, same: Tensor) -> Tensor:
    """The area below the ROC curve: how often a pair together is nearer than one apart, equal ones half."""
    import torch

    _, wrong, right = roc(distance, same)
    zero = wrong.new_zeros(1)
    return torch.trapezoid(torch.cat([zero, right]), torch.cat([zero, wrong]))


def equal_error_rate(distance: Tensor, same: Tensor) -> Tensor:
    """The error at which as many pairs together are refused as pairs apart accepted, on the line between thresholds."""
    import torch

    _, wrong, right = roc(distance, same)
    wrong, missed = torch.cat([wrong.new_zeros(1), wrong]), torch.cat([right.new_ones(1), 1 - right])
    difference = missed - wrong  # falls from 1 to at most 0
    after = (difference <= 0).long().argmax(0, keepdim=True)
    before = (after - 1).clamp(min=0)
    step = difference[before] - difference[after]
    share = torch.where(step > 0, difference[before] / step.where(step > 0, torch.ones_like(step)), 0.0)
    return (wrong[before] + share * (wrong[after] - wrong[before])).squeeze(0)


def best_threshold(distance: Tensor, same: Tensor) -> float:
    """The threshold at which most pairs are told right, in the middle between two distances; of equals the smallest."""
    values, wrong, right = roc(distance, same)
    together = int((same != 0).sum())
    gain = right * together - wrong * (len(same) - together)  # of accepting so many, above refusing all
    best = int(gain.argmax())
    if float(gain[best]) <= 0:
        return float(values[0]) / 2
    above = values[values > values[best]]
    return float(values[best] + (above[0] if len(above) else 2 * values[best])) / 2


def accuracy(distance: Tensor, same: Tensor, threshold: float) -> Tensor:
    """The share of pairs that are told right."""
    return ((distance <= threshold) == (same != 0)).double().mean()
