"""Labels of pictures that were mixed in pairs (mixup, CutMix), as a loss reads them: one row of three numbers each.

    label of the picture, label of its partner, share of the picture        2 5 0.7

A cross-entropy is linear in its target, so the loss of a mixed target is that of both labels, weighted by their shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = 3


def are_mixed(scores: Sequence[int | None], labels: Sequence[int | None], axis: int) -> bool:
    """Whether ``labels`` (a shape) are rows of mixed labels for ``scores`` (a shape with classes on ``axis``)."""
    along = axis % len(scores)
    single = all(size == 1 for position, size in enumerate(scores) if position not in (0, along))
    return along > 0 and single and len(labels) == 2 and labels[1] == COLUMNS


def parted(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mixed samples as twice as many with one label each: scores, labels, and the share with which each counts."""
    import torch

    first, second, share = labels.unbind(1)
    return torch.cat([scores, scores]), torch.cat([first, second]), torch.cat([share, 1 - share])
