"""Two states of one net averaged, blob by blob.

Weights from before and after a fine-tuning have often a lower loss halfway between them than at either end, and lose
less where the pictures to come differ from those trained on (Wortsman et al. 2022, WiSE-FT).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from caffelungo.weights.weights import Weights


def average(first: Weights, second: Weights) -> Weights:
    """``second`` with the mean of both in each layer whose blobs have the same shapes in ``first``."""
    layers = dict(second.layers)
    for name, blobs in second.layers.items():
        others = first.layers.get(name, [])
        if [one.shape for one in others] == [one.shape for one in blobs]:
            layers[name] = [((one + other) / 2).astype(np.float32) for one, other in zip(others, blobs, strict=True)]
    return replace(second, layers=layers)
