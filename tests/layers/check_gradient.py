"""Gradients of a layer, checked against differences: ``helper.check_layer`` does so for every layer type."""

from __future__ import annotations

import numpy as np
import torch

from caffelungo.layers.base import State
from caffelungo.plan.plan import PlannedLayer


def check_gradient(planned: PlannedLayer, bottoms: list[np.ndarray], blobs: list[np.ndarray]) -> None:
    """Assert that the gradients of ``planned`` for all bottoms but labels, and for all blobs that are learned, are
    those of finite differences in float64 (torch.autograd.gradcheck)."""
    labels, count = planned.layer.labels, len(bottoms)
    arguments = [
        torch.tensor(bottom, dtype=torch.float64, requires_grad=index not in labels)
        for index, bottom in enumerate(bottoms)
    ] + [
        torch.tensor(blob, dtype=torch.float64, requires_grad=use.spec.learned)
        for blob, use in zip(blobs, planned.params, strict=True)
    ]

    def tops(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        kept = [t if use.spec.learned else t.clone() for t, use in zip(tensors[count:], planned.params, strict=True)]
        computed = planned.layer.compute(tensors[:count], kept, State())
        return tuple(top for top in computed if top.requires_grad)

    assert torch.autograd.gradcheck(tops, arguments, atol=2e-4)
