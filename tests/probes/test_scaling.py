"""Scalings have the moments they promise, and fold into a classifier."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from caffelungo.errors import UserError
from caffelungo.probes import logistic
from caffelungo.probes.scaling import Scaling, folded, global_scale, standardised, unit_length
from tests.probes.made_up import clusters


def features(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = clusters(80, 12, 3)
    x[:, 4] = 0.1
    return torch.from_numpy(x).to(dtype), torch.from_numpy(y)


def test_standardised() -> None:
    x, _ = features()
    scaled = standardised(x)(x)
    alive = torch.arange(12) != 4
    assert torch.allclose(scaled.mean(0), torch.zeros(12), atol=1e-5)
    assert torch.allclose(scaled[:, alive].var(0, correction=0), torch.ones(11), atol=1e-4)
    assert not scaled[:, 4].any()
    other = x.clone()
    other[:, 4] = 99  # a feature dead in training stays dead
    assert not standardised(x)(other)[:, 4].any()


def test_weights_choose_the_training_rows() -> None:
    x, _ = features(torch.float64)
    kept = torch.arange(80) % 2 == 0
    one, other = standardised(x, kept), standardised(x[kept])
    assert torch.allclose(one.shift, other.shift)
    assert torch.allclose(one.scale, other.scale)
    with pytest.raises(UserError, match="training rows"):
        standardised(x, torch.zeros(80))


def test_global_keeps_proportions() -> None:
    x, _ = features()
    scaling = global_scale(x)
    assert len(scaling.scale.unique()) == 1
    assert float(scaling(x).square().mean()) == pytest.approx(1, rel=1e-4)
    assert not global_scale(torch.ones(5, 3))(torch.ones(5, 3)).any()


def test_unit_length_of_each_block() -> None:
    x, _ = features()
    x[3] = 0
    scaled = unit_length(x, [5, 7])
    lengths = torch.stack([scaled[:, :5].norm(dim=1), scaled[:, 5:].norm(dim=1)])
    expected = torch.ones(2, 80)
    expected[:, 3] = 0
    assert torch.allclose(lengths, expected, atol=1e-5)
    assert torch.allclose(
        unit_length(x), torch.from_numpy(x.numpy() / np.maximum(np.linalg.norm(x, axis=1)[:, None], 1e-9))
    )
    for wrong in ([5, 6], [12, 0], []):
        with pytest.raises(UserError, match="blocks"):
            unit_length(x, wrong)


@pytest.mark.parametrize("make", [standardised, global_scale])
def test_folded_answers_alike(make: Callable[[torch.Tensor], Scaling]) -> None:
    x, y = features()
    scaling = make(x)
    fitted = logistic.fit(scaling(x), y, 3, [1.0, 0.1])
    weight, bias = folded(fitted, scaling)
    answers = torch.einsum("nd,pcd->pnc", x, weight) + bias[:, None]
    assert torch.allclose(answers, fitted.answers(scaling(x)), rtol=1e-5, atol=1e-5 * float(answers.abs().max()))
