"""Several files of weights as one."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.weights.weights import Weights


def merge(files: Sequence[Weights]) -> Weights:
    """Several files as one: a layer comes from the last file that has it, as Caffe copies them one after the other."""
    merged = Weights(name=files[0].name, path=", ".join(weights.path for weights in files if weights.path))
    for weights in files:
        merged.layers.update(weights.layers)
        merged.types.update(weights.types)
        merged.trained.update(weights.trained)
        merged.extras = weights.extras if weights.extras is not None else merged.extras
    return merged
