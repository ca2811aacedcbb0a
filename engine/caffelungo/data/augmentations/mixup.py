"""Pictures blended in pairs, with their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.bounds import POSITIVE
from caffelungo.data.augmentation import register_mixer
from caffelungo.data.mixing import Mixture
from caffelungo.definition.option_blocks import Option


@register_mixer(
    "Mixup",
    options=(
        Option("alpha", 0.2, "Both parameters of the beta distribution of the shares: the smaller, the less is mixed.",
               bounds=POSITIVE),
    ),
)  # fmt: skip
def mixup(size: tuple[int, int], options: Any, rng: np.random.Generator) -> Mixture:
    """Each picture of a batch is blended with another one of it, and so is its label in a SoftmaxWithLoss.

    x = share * x_i + (1 - share) * x_j, and the same of the labels, with one share per batch from Beta(alpha, alpha).
    The loss that training displays is that of mixed pictures, and higher than a test's. With CutMix in the same layer,
    one of the two is drawn for each batch. The data should come shuffled.

    Source: Zhang et al. 2017 (mixup), equation 1 and section 2.
    """
    return Mixture(float(rng.beta(options.alpha, options.alpha)))
