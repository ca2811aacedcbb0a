"""A rectangle of each picture from another one, and that share of the label."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.bounds import POSITIVE
from caffelungo.data import mixing
from caffelungo.data.augmentation import register_mixer
from caffelungo.data.mixing import Mixture
from caffelungo.definition.option_blocks import Option


@register_mixer(
    "CutMix",
    options=(
        Option("alpha", 1.0, "Both parameters of the beta distribution of the shares; 1 draws them evenly.",
               bounds=POSITIVE),
    ),
)  # fmt: skip
def cut_mix(size: tuple[int, int], options: Any, rng: np.random.Generator) -> Mixture:
    """In each picture of a batch a rectangle comes from another one of it, and its label has that share of the target.

    The share that stays is drawn from Beta(alpha, alpha), and the sides of the rectangle are those of the picture times
    sqrt(1 - share). Its centre is drawn evenly; what lies outside of the picture is cut off, and the share follows from
    what is left. There is one rectangle per batch. As with Mixup, the loss is read by a SoftmaxWithLoss.

    Source: Yun et al. 2019 (CutMix), section 3.1 and algorithm 1.
    """
    height, width = size
    share = float(rng.beta(options.alpha, options.alpha))
    return mixing.cut(height, width, share, int(rng.integers(height)), int(rng.integers(width)))
