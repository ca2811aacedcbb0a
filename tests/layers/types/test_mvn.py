"""MVN."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.helper import check_layer, layer_net, refused, run_net

X = np.random.default_rng(0).normal(2, 3, (2, 3, 4, 5))


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("divide", [False, True])
def test_numbers(across: bool, divide: bool) -> None:
    axes = (1, 2, 3) if across else (2, 3)
    want = X - X.mean(axes, keepdims=True)
    want = want / (X.std(axes, keepdims=True) + 1e-9) if divide else want
    options = f"across_channels: {across} normalize_variance: {divide}".lower()
    check_layer(f'type: "MVN" mvn_param {{ {options} }}', [X], [want])


def test_a_constant_channel_has_a_finite_gradient() -> None:
    text = layer_net('type: "MVN" mvn_param { eps: 0.001 }', [(1, 1, 2, 2)])
    run = run_net(text, {"x0": np.ones((1, 1, 2, 2))}, {}, top_diffs={"y0": np.arange(4.0).reshape(1, 1, 2, 2)})
    assert np.isfinite(run.diff["x0"]).all()
    refused('type: "MVN"', [(3,)], "at least 2 axes")
