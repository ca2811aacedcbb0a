"""The filters of the first layer, as small pictures, before and after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffelungo.study.inspect.inspected_nets import Before, PlanRunner, Tuned

MOST = 256
"""Filters that are shown."""


@dataclass(frozen=True)
class Filters:
    """Filters of ``layer``, each N x H x W x 3 (RGB) or N x H x W; ``before`` is None where there are none."""

    layer: str
    after: NDArray[np.float32]
    before: NDArray[np.float32] | None
    total: int


def first(tuned: Tuned, before: Before | None, reverse: bool) -> Filters | None:
    """The first convolution on a picture of one or three channels; None in a net without one.

    ``reverse``: the net reads BGR, as Caffe's nets do.
    """
    for planned in tuned.runner.layers:
        if planned.layer.type == "Convolution":
            after = _kernels(tuned.runner, planned.name, reverse)
            if after is None:
                return None
            earlier = None
            if before is not None and planned.name in before.known:
                earlier = _kernels(before.runner, planned.name, reverse)
                earlier = earlier if earlier is not None and earlier.shape == after.shape else None
            return Filters(planned.name, after[:MOST], None if earlier is None else earlier[:MOST], len(after))
    return None


def _kernels(runner: PlanRunner, name: str, reverse: bool) -> NDArray[np.float32] | None:
    found = runner.units(name)
    blob = runner.step.store.blobs(found[0].key)[0].detach().float().cpu().numpy() if found else None
    if blob is None or blob.ndim != 4 or blob.shape[1] not in (1, 3):
        return None
    if blob.shape[1] == 1:
        return np.asarray(blob[:, 0])
    return np.asarray(blob[:, ::-1] if reverse else blob).transpose(0, 2, 3, 1)
