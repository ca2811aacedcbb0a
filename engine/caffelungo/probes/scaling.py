"""Features brought to one scale before a classifier is solved, so that one penalty is fair to all of them.

A scaling learnt from training rows is (x - shift) * scale, which folds into a classifier exactly. Unit length is of
each row, so it cannot be folded; a net that is to answer as the probe did needs a Normalize layer there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.probes.weighted_problems import Fitted

DEAD = 1e-6
"""Share of the features' root mean square deviation under which one is dead, a constant but for noise."""


@dataclass(frozen=True)
class Scaling:
    """(x - ``shift``) * ``scale`` of D features, each of them D."""

    shift: Tensor
    scale: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The scaled features, N x D."""
        return (x - self.shift) * self.scale


def unit_length(x: Tensor, blocks: Sequence[int] | None = None) -> Tensor:
    """Features N x D with each row of each block divided by its length; a row of zeros stays one.

    ``blocks`` are the widths of the parts side by side, one layer's features after another's; None is one block.
    UserError where they do not sum to D.
    """
    widths = [x.shape[1]] if blocks is None else list(blocks)
    if sum(widths) != x.shape[1] or min(widths, default=0) < 1:
        raise UserError("blocks must cover the features", received=f"{widths} for {x.shape[1]} features",
                        remedy="give the width of every layer's features")  # fmt: skip
    return torch.cat([torch.nn.functional.normalize(block, eps=1e-12) for block in x.split(widths, 1)], 1)


def standardised(x: Tensor, weights: Tensor | None = None) -> Scaling:
    """Mean 0 and deviation 1 of every feature on the training rows ``x`` N x D (``weights`` N; None: all alike).

    The deviation is that of the population. A dead feature (``DEAD``) becomes 0, whatever it is later: nothing was
    learnt of it.
    """
    shift, deviation = _moments(x, weights)
    alive = deviation > DEAD * deviation.square().mean().sqrt()
    return Scaling(shift, torch.where(alive, 1 / deviation, 0.0))


def global_scale(x: Tensor, weights: Tensor | None = None) -> Scaling:
    """Mean 0 of every feature, and one number for all that makes their mean square deviation 1."""
    shift, deviation = _moments(x, weights)
    length = deviation.square().mean().sqrt()
    return Scaling(shift, torch.where(length > 0, 1 / length, 0.0).expand_as(shift).clone())


def folded(fitted: Fitted, scaling: Scaling) -> tuple[Tensor, Tensor]:
    """``weight`` P x C x D and ``bias`` P x C for features as they come, of classifiers of the scaled ones.

    The bias is summed in float64: where shifts are large against deviations, its terms cancel.
    """
    weight = fitted.weight.double() * scaling.scale.double()
    bias = fitted.bias.double() - weight @ scaling.shift.double()
    return weight.to(fitted.weight.dtype), bias.to(fitted.bias.dtype)


def _moments(x: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature, D each."""
    share = x.new_ones(len(x)) if weights is None else weights.to(x)
    if not len(x) or not bool(share.sum() > 0):
        raise UserError("a scaling needs training rows", received="none with a weight",
                        remedy="keep some training pictures")  # fmt: skip
    share = (share / share.sum())[:, None]
    mean = (x * share).sum(0)
    deviation = ((x - mean).square() * share).sum(0).sqrt()
    constant = x.amax(0) == x.amin(0)  # what its rounded mean leaves of a constant is no deviation
    return mean, torch.where(constant, 0.0, deviation)
