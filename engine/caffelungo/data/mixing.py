"""Pictures of a batch mixed in pairs, with their labels: what the augmentations Mixup and CutMix draw, and do.

    batch of pictures, labels (N)  ->  mixed pictures, (label, label of the partner, share of the picture) (N x 3)

One draw serves a batch; it follows from the seed and the position of the batch's first sample. Pictures are mixed on
the device, where mean and scale have been applied: mixing is linear in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Mixer = Callable[[tuple[int, int], Any, np.random.Generator], "Mixture"]
"""((height, width), options, rng) -> how the pictures of a batch are mixed."""
Box = tuple[int, int, int, int]
"""Top, left, bottom and right, the latter two outside."""


@dataclass(frozen=True)
class Mixture:
    """How pictures are mixed with their partners: ``share`` is what stays of a picture; ``box`` is the part that is
    taken from the partner, None where the two are blended."""

    share: float
    box: Box | None = None


@dataclass(frozen=True)
class Mixing:
    """``mixture`` of a batch, in which the partner of a picture is the one ``shift`` places before it."""

    mixture: Mixture
    shift: int

    def labels(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """N labels as N x 3: the label, the partner's, the share of the first."""
        share = np.full(len(labels), self.mixture.share, np.float32)
        return np.stack([labels, np.roll(labels, self.shift), share], axis=1)

    def pictures(self, values: Tensor) -> Tensor:
        """``values`` (N x C x H x W), mixed; may overwrite them."""
        partners = values.roll(self.shift, 0)
        if self.mixture.box is None:
            return values.lerp_(partners, 1 - self.mixture.share)
        top, left, bottom, right = self.mixture.box
        values[:, :, top:bottom, left:right] = partners[:, :, top:bottom, left:right]
        return values


def cut(height: int, width: int, share: float, row: int, column: int) -> Mixture:
    """CutMix's box around ``row`` and ``column``, cut off at the border, with the share that is left outside of it.

    Its sides are those of the picture times sqrt(1 - share). Yun et al. 2019, section 3.1 and algorithm 1.
    """
    half = 0.5 * math.sqrt(1 - share)
    high, wide = int(half * height), int(half * width)
    box = max(row - high, 0), max(column - wide, 0), min(row + high, height), min(column + wide, width)
    return Mixture(1 - (box[2] - box[0]) * (box[3] - box[1]) / (height * width), box)


def draw(mixers: Sequence[tuple[Mixer, Any]], samples: int, size: tuple[int, int], rng: np.random.Generator) -> Mixing:
    """What one of ``mixers`` (with its options), drawn evenly, does with a batch of pictures of ``size``."""
    mixer, options = mixers[int(rng.integers(len(mixers)))]
    shift = int(rng.integers(1, samples)) if samples > 1 else 0
    return Mixing(mixer(size, options, rng), shift)
