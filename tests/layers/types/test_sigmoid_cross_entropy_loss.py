"""SigmoidCrossEntropyLoss."""

from __future__ import annotations

import numpy as np
import torch

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3, 4)], given={1: np.array([[0, 1, 1, 0]] * 3)})

X = np.array([[0.0, np.log(3)], [-np.log(3), 0.0]])
T = np.array([[1.0, 0.0], [0.25, -1.0]])
TERMS = [np.log(2), np.log(4), -0.25 * np.log(0.25) - 0.75 * np.log(0.75)]


def test_numbers() -> None:
    layer = 'type: "SigmoidCrossEntropyLoss" loss_param {{ ignore_label: -1 {} }}'
    check_layer(layer.format(""), [X, T], [np.array(sum(TERMS) / 2)])
    check_layer(layer.format("normalization: VALID"), [X, T], [np.array(sum(TERMS) / 3)])
    check_layer(layer.format("normalization: FULL"), [X, T], [np.array(sum(TERMS) / 4)])
    check_layer(layer.format("normalization: NONE"), [X, T], [np.array(sum(TERMS))])


def test_large_scores_do_not_overflow() -> None:
    check_layer(
        'type: "SigmoidCrossEntropyLoss"', [np.array([[-200.0, 300.0]]), np.array([[1.0, 0.0]])], [np.array(500.0)]
    )
    refused('type: "SigmoidCrossEntropyLoss"', [(2, 3), (2, 2)], "one target for each score", "the same shape")


SCORES = np.array([[0.5, -1.0, 2.0], [-0.3, 0.8, -1.5]])
TARGETS = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def block(inside: str, outside: str = "") -> str:
    return f'type: "SigmoidCrossEntropyLoss" {outside} lungo {{ sigmoid_cross_entropy_loss {{ {inside} }} }}'


def test_given_weights_as_torchs_pos_weight() -> None:
    weights = np.array([2.0, 0.5, 4.0])
    terms = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(SCORES), torch.from_numpy(TARGETS), reduction="none", pos_weight=torch.from_numpy(weights)
    ).numpy()
    inside = "class_weight: [2, 0.5, 4]"
    check_layer(block(inside), [SCORES, TARGETS], [np.array(terms.sum() / 2)])
    check_layer(block(inside, "loss_param { normalization: FULL }"), [SCORES, TARGETS], [np.array(terms.mean())])
    valid = (TARGETS * weights + 1 - TARGETS).sum()
    check_layer(
        block(inside, "loss_param { normalization: VALID }"), [SCORES, TARGETS], [np.array(terms.sum() / valid)]
    )
    ignoring = np.where(np.array([[0, 0, 1], [0, 0, 0]]), -1.0, TARGETS)
    layer = block(inside, "loss_param { normalization: VALID ignore_label: -1 }")
    check_layer(layer, [SCORES, ignoring], [np.array((terms.sum() - terms[0, 2]) / (valid - 4))])


def test_weights_from_counts() -> None:
    """10 targets of 1 to 90 of 0 weigh 9; by effective numbers with beta 0.9, (1 - 0.9^90) / (1 - 0.9^10)."""
    counts = "class_count: [10, 50, 0] other_count: [90, 50, 100]"
    plain = np.log1p(np.exp(-np.abs(SCORES))) + np.maximum(SCORES, 0) - SCORES * TARGETS
    for words, first in (("inverse", 9.0), ("effective beta: 0.9", (1 - 0.9**90) / (1 - 0.9**10))):
        expected = (plain * (TARGETS * (np.array([first, 1, 1]) - 1) + 1)).sum() / 2
        check_layer(block(f"class_weights: {words} {counts}"), [SCORES, TARGETS], [np.array(expected)])


def test_focal() -> None:
    """Lin et al. 2017: (1 - p)^2 for targets of 1, p^2 for targets of 0."""
    p = 1 / (1 + np.exp(-SCORES))
    expected = -(TARGETS * (1 - p) ** 2 * np.log(p) + (1 - TARGETS) * p**2 * np.log(1 - p)).sum() / 2
    check_layer(block("focal_gamma: 2"), [SCORES, TARGETS], [np.array(expected)])


def test_label_smoothing() -> None:
    aims = TARGETS * 0.8 + 0.1
    p = 1 / (1 + np.exp(-SCORES))
    expected = -(aims * np.log(p) + (1 - aims) * np.log(1 - p)).sum() / 2
    layer = 'type: "SigmoidCrossEntropyLoss" lungo { label_smoothing: 0.2 }'
    check_layer(layer, [SCORES, TARGETS], [np.array(expected)])


def test_what_is_refused_of_weights() -> None:
    shapes: list[tuple[int, ...]] = [(2, 3), (2, 3)]
    refused(block("class_weight: [1, 2]"), shapes, "one `class_weight` for each class", "3 times")
    refused(block("class_count: [1, 2, 3]"), shapes, "must be given together", "give both")


def asymmetric(scores: np.ndarray, targets: np.ndarray, positive: float, negative: float, margin: float) -> np.ndarray:
    """The asymmetric loss of each target, from its formula."""
    p = 1 / (1 + np.exp(-scores.astype(np.float64)))
    q = np.maximum(p - margin, 0)
    return -targets * (1 - p) ** positive * np.log(p) - (1 - targets) * q**negative * np.log(1 - q)


ASYMMETRIC = "positive_gamma: 1 negative_gamma: 4 margin: 0.05"
SUM = "loss_param { normalization: NONE }"


def test_values_of_the_asymmetric_loss() -> None:
    for score, target, value in ((0, 1, 0.3465736), (0, 0, 0.0245151), (2, 0, 0.8464150), (-3, 0, 0.0)):
        run = check_layer(
            block(ASYMMETRIC, SUM), [np.array([[float(score)]]), np.array([[float(target)]])], [np.array(value)]
        )
        assert value or not run.diff["x0"].any()


def test_the_asymmetric_loss_of_many_targets() -> None:
    every = asymmetric(SCORES, TARGETS, 1, 4, 0.05)
    check_layer(block(ASYMMETRIC), [SCORES, TARGETS], [np.array(every.sum() / 2)])
    weights = np.where(TARGETS == 1, [2.0, 0.5, 4.0], 1.0)
    weighed = block(f"{ASYMMETRIC} class_weight: [2, 0.5, 4]", SUM)
    check_layer(weighed, [SCORES, TARGETS], [np.array((every * weights).sum())])
    ignoring = np.where(np.array([[0, 0, 1], [0, 0, 0]]), -1.0, TARGETS)
    layer = block(ASYMMETRIC, "loss_param { normalization: NONE ignore_label: -1 }")
    check_layer(layer, [SCORES, ignoring], [np.array(every.sum() - every[0, 2])])


def test_equal_exponents_without_a_margin_are_the_focal_loss() -> None:
    loss = np.array(asymmetric(SCORES, TARGETS, 2, 2, 0).sum() / 2)
    check_layer(block("focal_gamma: 2"), [SCORES, TARGETS], [loss])
    check_layer(block("positive_gamma: 2 negative_gamma: 2"), [SCORES, TARGETS], [loss])
    refused(block("focal_gamma: 2 margin: 0.05"), [(2, 3), (2, 3)], "exclude each other", "remove `focal_gamma`")


def test_large_scores_of_the_asymmetric_loss_stay_finite() -> None:
    scores, targets = np.array([[-200.0, 300.0]]), np.array([[1.0, 0.0]])
    check_layer(block("negative_gamma: 4", SUM), [scores, targets], [np.array(500.0)])
