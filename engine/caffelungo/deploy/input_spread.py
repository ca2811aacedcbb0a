"""How wide a net's inputs are, where no record of its preprocessing says it.

A BatchNorm remembers how widely its bottom spread in training. What normal inputs of spread 1 make of it says by how
much they have to be wider; the layers before the first one are taken for linear, as they are in most nets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from caffelungo.deploy.fold_batch_norm import Arrays
from caffelungo.deploy.parity import Reference

LEAST, MOST = 1 / 64, 256.0
"""Between thumbnails scaled to 0 to 1 and levels of 0 to 255."""


def usual_spread(reference: Reference, arrays: Arrays, inputs: Mapping[str, Sequence[int]]) -> float:
    """The standard deviation of inputs at which the first BatchNorm sees what its statistics say; 1 without any."""
    first = next((one for one in reference.plan.layers if one.layer.type == "BatchNorm" and len(one.params) == 3), None)
    if first is None:
        return 1.0
    rng = np.random.default_rng(0)
    feeds = {blob: rng.standard_normal((2, *shape[1:])).astype(np.float32) for blob, shape in inputs.items()}
    seen = reference.values(feeds)[first.bottom_values[0]]
    _mean, variance, factor = (arrays[use.key] for use in first.params)
    if not np.isfinite(seen).all() or factor.flat[0] <= 0:
        return 1.0
    here = seen.std(axis=(0, *range(2, seen.ndim)))
    trained = np.sqrt(np.maximum(variance / factor.flat[0], 0))
    live = (here > 0) & (trained > 0)
    return float(np.clip(np.median(trained[live] / here[live]), LEAST, MOST)) if live.any() else 1.0
