"""Eltwise."""

from __future__ import annotations

import numpy as np

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, layer_net, refused, run_net

EXAMPLE = Example(shapes=[(2, 3, 2, 2), (2, 3, 2, 2)])

A, B, D = np.array([[1.0, 5.0, -3.0]]), np.array([[2.0, -4.0, -6.0]]), np.array([[4.0, 3.0, 0.5]])


def test_numbers() -> None:
    check_layer('type: "Eltwise"', [A, B, D], [A + B + D])
    check_layer('type: "Eltwise" eltwise_param { coeff: 1 coeff: -2 }', [A, B], [A - 2 * B])
    check_layer('type: "Eltwise" eltwise_param { operation: PROD }', [A, B, D], [A * B * D])
    check_layer('type: "Eltwise" eltwise_param { operation: MAX }', [A, B, D], [np.array([[4.0, 5.0, 0.5]])])


def test_of_equal_bottoms_the_second_gets_the_gradient_of_max() -> None:
    text = layer_net('type: "Eltwise" eltwise_param { operation: MAX }', [(1, 3)] * 3)
    run = run_net(text, {"x0": A, "x1": A, "x2": A}, {}, top_diffs={"y0": np.ones((1, 3))})
    assert [run.diff[f"x{index}"].sum() for index in range(3)] == [0, 3, 0]


def test_refusals() -> None:
    refused('type: "Eltwise"', [(1, 2), (1, 3)], "same shape", "same sizes")
    refused('type: "Eltwise" eltwise_param { coeff: 1 }', [(1, 2), (1, 2)], "one `coeff` for each bottom", "2 `coeff:`")
    refused('type: "Eltwise" eltwise_param { operation: MAX coeff: 1 coeff: 1 }', [(1, 2)] * 2, "SUM only")
