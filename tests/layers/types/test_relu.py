"""ReLU."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, layer_net, run_net

X = np.array([[-1.0, 2.0, -0.5]])


def test_numbers() -> None:
    check_layer('type: "ReLU"', [X], [np.array([[0.0, 2.0, 0.0]])])
    check_layer('type: "ReLU" relu_param { negative_slope: 0.1 }', [X], [np.array([[-0.1, 2.0, -0.05]])])


def test_the_gradient_at_0_is_the_slope() -> None:
    for slope in (0.0, 0.5):
        text = layer_net(f'type: "ReLU" relu_param {{ negative_slope: {slope} }}', [(1, 3)])
        run = run_net(text, {"x0": np.zeros((1, 3))}, {}, top_diffs={"y0": np.ones((1, 3))})
        np.testing.assert_array_equal(run.diff["x0"], np.full((1, 3), slope))
