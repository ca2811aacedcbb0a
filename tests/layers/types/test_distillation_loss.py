"""DistillationLoss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, layer_net, refused, run_net, shape_of

EXAMPLE = Example(shapes=[(3, 4), (3, 4)])

RNG = np.random.default_rng(4)
STUDENT, TEACHER = RNG.normal(0, 3, (4, 5)), RNG.normal(0, 3, (4, 5))


def softened(scores: np.ndarray, temperature: float, axis: int = 1) -> np.ndarray:
    shifted = np.exp((scores - scores.max(axis, keepdims=True)) / temperature)
    return shifted / shifted.sum(axis, keepdims=True)


def formula(student: np.ndarray, teacher: np.ndarray, temperature: float, axis: int = 1) -> float:
    p, q = softened(teacher, temperature, axis), softened(student, temperature, axis)
    return float(temperature**2 * (p * np.log(p / q)).sum() * student.shape[axis] / student.size)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_value(temperature: float) -> None:
    layer = f'type: "DistillationLoss" lungo {{ temperature: {temperature} }}'
    check_layer(layer, [STUDENT, TEACHER], [np.array(formula(STUDENT, TEACHER, temperature))])


def test_the_temperature_is_two_unless_said() -> None:
    check_layer('type: "DistillationLoss"', [STUDENT, TEACHER], [np.array(formula(STUDENT, TEACHER, 2))])


def test_each_place_of_a_plane() -> None:
    student, teacher = RNG.normal(size=(2, 3, 2, 4)), RNG.normal(size=(2, 3, 2, 4))
    check_layer('type: "DistillationLoss"', [student, teacher], [np.array(formula(student, teacher, 2))])
    axis = 'type: "DistillationLoss" softmax_param { axis: 3 }'
    check_layer(axis, [student, teacher], [np.array(formula(student, teacher, 2, 3))])


@given(st.floats(0.3, 20), st.integers(0, 99))
def test_as_torch_in_double_precision(temperature: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    student, teacher = rng.normal(0, 4, (3, 6)), rng.normal(0, 4, (3, 6))
    text = layer_net(f'type: "DistillationLoss" lungo {{ temperature: {temperature} }}', [(3, 6), (3, 6)])
    run = run_net(text, {"x0": student, "x1": teacher}, {}, dtype=torch.float64)
    # The file holds the temperature as a float32.
    t = float(np.float32(temperature))
    x = torch.tensor(student, requires_grad=True)
    loss = t * t * torch.nn.functional.kl_div(
        torch.log_softmax(x / t, 1), torch.softmax(torch.tensor(teacher) / t, 1), reduction="batchmean"
    )  # fmt: skip
    loss.backward()
    assert x.grad is not None
    np.testing.assert_allclose(run.loss, loss.item(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(run.diff["x0"], x.grad.numpy(), rtol=1e-8, atol=1e-12)
    p, q = softened(teacher, t), softened(student, t)
    np.testing.assert_allclose(run.diff["x0"], t * (q - p) / 3, atol=1e-10)
    assert not run.diff["x1"].any()


def test_an_equal_student_has_nothing_to_learn() -> None:
    text = layer_net('type: "DistillationLoss" loss_weight: 3', [(4, 5), (4, 5)])
    run = run_net(text, {"x0": STUDENT, "x1": STUDENT + 7}, {}, dtype=torch.float64)
    assert abs(run.loss) < 1e-12
    assert np.abs(run.diff["x0"]).max() < 1e-12


def test_extreme_scores_stay_finite() -> None:
    student, teacher = np.array([[1e4, -1e4]]), np.array([[-1e4, 1e4]])
    run = run_net(layer_net('type: "DistillationLoss"', [(1, 2), (1, 2)]), {"x0": student, "x1": teacher}, {})
    assert np.isfinite(run.loss)
    assert np.isfinite(run.diff["x0"]).all()


def test_shapes() -> None:
    assert shape_of('type: "DistillationLoss"', [(4, 5), (4, 5)]) == [()]
    refused('type: "DistillationLoss"', [(4, 5), (4, 6)], "scores of the same shape", "classifiers of the same classes")
    refused('type: "DistillationLoss" lungo { temperature: 0 }', [(4, 5), (4, 5)], "temperature", "temperature: 2")
    refused('type: "DistillationLoss" lungo { temperature: -1 }', [(4, 5), (4, 5)], "temperature")
    refused('type: "DistillationLoss" softmax_param { axis: 4 }', [(4, 5), (4, 5)], "axis 4")
