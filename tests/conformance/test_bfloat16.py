"""Under bfloat16 autocast each layer and its gradients stay within that type, and within its precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from caffelungo.layers.base import State
from caffelungo.plan.plan import PlannedLayer
from tests.conformance import cases
from tests.conformance.test_layers import OWN
from tests.layers.helper import plan_of

SCALARS_IN_FULL = ("Loss", "Reduction", "Embed")
"""Ends of type names whose tops are float32: sums, and vectors looked up in float32 weights."""


def last_layer(case: cases.Case) -> PlannedLayer | None:
    """The layer a case is about, if its bottoms are the case's inputs and a gradient passes."""
    planned = [p for p in plan_of(case.text, case.phase).layers if not p.layer.source][-1]
    fed = bool(planned.bottoms) and all(blob in case.group("in") for blob in planned.bottoms)
    return planned if fed and planned.tops and planned.layer.differentiable else None


def run(case: cases.Case, planned: PlannedLayer, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """Top 0 and the gradients of bottoms and blobs, from a fixed gradient of the top."""
    labels = planned.layer.labels
    bottoms = [torch.tensor(case.group("in")[blob], dtype=torch.float32) for blob in planned.bottoms]
    bottoms = [x if i in labels else x.to(dtype).requires_grad_() for i, x in enumerate(bottoms)]
    stored = case.params("param")
    blobs = [torch.tensor(stored[use.key]).requires_grad_(use.spec.learned) for use in planned.params]
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        top = planned.layer.compute(bottoms, blobs, State())[0]
    torch.manual_seed(0)
    wanted = [x for x in [*bottoms, *blobs] if x.requires_grad]
    return top.detach(), list(torch.autograd.grad(top, wanted, torch.randn(top.shape).to(top.dtype)))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_within_its_precision(path: Path) -> None:
    case = cases.load(path)
    planned = last_layer(case)
    if planned is None:
        pytest.skip("no gradient, or not fed by the case alone")
    (top, grads), (half, half_grads) = (run(case, planned, dtype) for dtype in (torch.float32, torch.bfloat16))
    full = planned.layer.type.endswith(SCALARS_IN_FULL)
    assert half.dtype == (torch.float32 if full else torch.bfloat16)
    for ours, theirs in zip([half, *half_grads], [top, *grads], strict=True):
        assert float((ours.float() - theirs).abs().max()) <= 0.02 * float(theirs.abs().max()) + 1e-4
