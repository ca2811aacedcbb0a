"""SoftmaxWithLoss."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.every_type import Example
from tests.layers.helper import check_layer, refused

EXAMPLE = Example(shapes=[(3, 4), (3,)], given={1: np.array([0, 3, 1])})

P = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]])
LABELS = np.array([2, 0, 1, 0])
TERMS = -np.log([0.7, 0.5, 0.3])
X = np.log(P)


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("", 3),
        ("normalization: FULL", 4),
        ("normalization: BATCH_SIZE", 4),
        ("normalization: NONE", 1),
        ("normalize: false", 4),
        ("normalize: true", 3),
        ("normalize: false normalization: NONE", 1),
    ],
)
def test_normalization(options: str, divisor: float) -> None:
    labels = np.array([2, 0, 1, 255])
    layer = f'type: "SoftmaxWithLoss" loss_param {{ ignore_label: 255 {options} }}'
    check_layer(layer, [X, labels], [np.array(TERMS.sum() / divisor)])


def test_each_position_of_a_plane() -> None:
    scores = X.T.reshape(1, 3, 2, 2)
    check_layer(
        'type: "SoftmaxWithLoss"', [scores, LABELS.reshape(1, 1, 2, 2)], [np.array((TERMS.sum() - np.log(0.2)) / 4)]
    )


def test_classes_on_the_last_axis() -> None:
    layer = 'type: "SoftmaxWithLoss" softmax_param { axis: -1 } loss_param { normalization: BATCH_SIZE }'
    check_layer(layer, [X.reshape(2, 2, 3), LABELS.reshape(2, 2)], [np.array((TERMS.sum() - np.log(0.2)) / 4)])


def test_nothing_but_ignored_labels_is_0() -> None:
    run = check_layer('type: "SoftmaxWithLoss" loss_param { ignore_label: 1 }', [X, np.ones(4)], [np.array(0.0)])
    np.testing.assert_array_equal(run.diff["x0"], 0)


def test_it_does_not_saturate() -> None:
    check_layer('type: "SoftmaxWithLoss"', [np.array([[0.0, 500.0]]), np.array([0])], [np.array(500.0)])


def test_label_smoothing_spreads_its_share_over_the_classes() -> None:
    target = np.eye(3)[LABELS] * 0.7 + 0.1
    layer = 'type: "SoftmaxWithLoss" lungo { label_smoothing: 0.3 }'
    check_layer(layer, [X, LABELS], [np.array(-(target * X).sum() / 4)])
    refused('type: "SoftmaxWithLoss" lungo { label_smoothing: 1 }', [(4, 3), (4,)], "below 1", "0.1")


def test_refusals() -> None:
    refused('type: "SoftmaxWithLoss"', [(4, 3), (3,)], "different batch sizes", "one batch_size")
    refused('type: "SoftmaxWithLoss"', [(4, 3, 2), (4,)], "one label for each prediction, 8 here", "shape 4x2")
    refused('type: "SoftmaxWithLoss" softmax_param { axis: 2 }', [(4, 3), (4,)], "axis 2 is out of range")
    refused('type: "SoftmaxWithLoss"', [(4, 3), (4,)], "takes 1 top blob", tops=2)


def weighted(layer: str, **numbers: list[float]) -> str:
    inside = " ".join(f"{name}: {value:g}" for name, values in numbers.items() for value in values)
    return f'type: "SoftmaxWithLoss" {layer} lungo {{ softmax_with_loss {{ {inside} }} }}'


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("", 5 + 2 + 0.5),
        ("normalization: FULL", 4),
        ("normalization: BATCH_SIZE", 4),
        ("normalization: NONE", 1),
        ("normalize: true", 5 + 2 + 0.5),
    ],
)
def test_given_weights_and_what_they_are_divided_by(options: str, divisor: float) -> None:
    labels = np.array([2, 0, 1, 255])
    layer = weighted(f"loss_param {{ ignore_label: 255 {options} }}", class_weight=[2, 0.5, 5])
    check_layer(layer, [X, labels], [np.array((TERMS * [5, 2, 0.5]).sum() / divisor)])


def test_weights_that_sum_to_less_than_1_and_to_nothing() -> None:
    """A mean over weights is no mean over samples: only a sum of 0 is taken for 1."""
    check_layer(weighted("", class_weight=[0.1, 0.2, 0.3]), [X[:1], LABELS[:1]], [np.array(TERMS[0])])
    check_layer(weighted("", class_weight=[1, 1, 0]), [X[:1], LABELS[:1]], [np.array(0.0)])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("ignore", [None, 1])
def test_as_torchs_mean(smoothing: float, ignore: int | None) -> None:
    """torch.nn.functional.cross_entropy divides by the sum of the weights, too."""
    import torch

    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(6, 3, 2, 2)), rng.integers(0, 3, (6, 2, 2))
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(scores), torch.from_numpy(labels), torch.tensor([2.0, 0.5, 5.0], dtype=torch.float64),
        ignore_index=-100 if ignore is None else ignore, label_smoothing=smoothing,
    )  # fmt: skip
    skipped = "" if ignore is None else f"loss_param {{ ignore_label: {ignore} }}"
    block = "softmax_with_loss { class_weight: 2 class_weight: 0.5 class_weight: 5 }"
    layer = f'type: "SoftmaxWithLoss" {skipped} lungo {{ label_smoothing: {smoothing} {block} }}'
    check_layer(layer, [scores, labels], [expected.numpy()])


def test_weights_from_counts() -> None:
    """Worked by hand: 100, 25 and 5 samples of 130, in 3 classes; and for the effective number with beta 0.9."""
    counts = [100, 25, 5]
    inverse = np.array([130 / 300, 130 / 75, 130 / 15])
    layer = weighted("loss_param { normalization: NONE }", class_count=counts)
    for word, weights in (("inverse", inverse), ("effective beta: 0.9", np.array([0.66383, 0.71515, 1.62102]))):
        text = layer.replace("softmax_with_loss {", f"softmax_with_loss {{ class_weights: {word}")
        check_layer(text, [X[:3], LABELS[:3]], [np.array((TERMS * weights[LABELS[:3]]).sum())], tolerance=1e-5)
    assert 1 / inverse[0] + 1 / inverse[1] + 1 / inverse[2] == pytest.approx(3)


def test_without_counts_all_classes_are_alike() -> None:
    """Until the training data have been counted: a net can be planned, drawn and exported without them."""
    check_layer(
        'type: "SoftmaxWithLoss" lungo { softmax_with_loss { class_weights: inverse } }', [X[:3], LABELS[:3]],
        [np.array(TERMS.mean())],
    )  # fmt: skip


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal(gamma: float) -> None:
    p = np.array([0.7, 0.5, 0.3])
    check_layer(weighted("", focal_gamma=[gamma]), [X[:3], LABELS[:3]], [np.array(((1 - p) ** gamma * TERMS).mean())])
    weights = np.array([5, 2, 0.5])
    layer = weighted("", focal_gamma=[gamma], class_weight=[2, 0.5, 5])
    # The modulating factor is of the true class's probability, which weights do not change.
    expected = (weights * (1 - p) ** gamma * TERMS).sum() / weights.sum()
    check_layer(layer, [X[:3], LABELS[:3]], [np.array(expected)])


def test_focal_of_certain_answers_has_a_gradient() -> None:
    run = check_layer(weighted("", focal_gamma=[0.5]), [np.array([[200.0, 0.0]]), np.array([0])], [np.array(0.0)])
    assert np.isfinite(run.diff["x0"]).all()


def test_focal_numbers_of_the_paper() -> None:
    """-(1 - p)^2 ln p for p of 0.9, 0.5 and 0.1."""
    for p, value in ((0.9, 0.0010536), (0.5, 0.1732868), (0.1, 1.8650939)):
        scores = np.log(np.array([[p, 1 - p]]))
        check_layer(weighted("", focal_gamma=[2]), [scores, np.array([0])], [np.array(value)], tolerance=1e-6)


def test_logit_adjustment() -> None:
    """Scores 2, 1, 0.5 and shares 100, 25 and 5 of 130: losses of the three classes, worked out in float64."""
    for label, value in ((0, 0.09815), (1, 2.48444), (2, 4.59388)):
        layer = weighted("", logit_adjustment=[1], class_count=[100, 25, 5])
        check_layer(layer, [np.array([[2.0, 1.0, 0.5]]), np.array([label])], [np.array(value)], tolerance=1e-4)


def test_a_class_without_samples() -> None:
    layer = weighted("", class_count=[3, 1, 0]).replace(
        "softmax_with_loss {", "softmax_with_loss { class_weights: inverse"
    )
    weights = np.array([4 / 6, 4 / 2])
    check_layer(layer, [X[1:3], LABELS[1:3]], [np.array((weights * TERMS[1:]).sum() / weights.sum())])
    check_layer(
        weighted("", logit_adjustment=[1], class_count=[3, 1, 0]), [np.zeros((1, 3)), np.array([0])],
        [np.array(-np.log(0.75 / 1.25))],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inside", "what", "remedy"),
    [
        ("class_weight: 1 class_weight: 2", "one `class_weight` for each class", "3 times"),
        ("class_count: 1 class_count: 2 class_weights: inverse", "one `class_count` for each class", "3 times"),
        ("class_weights: inverse class_weight: [1, 2, 3]", "both given and asked for", "remove"),
        ("class_weight: [0, 0, 0]", "every class has weight 0", "above 0"),
        ("class_weight: [1, -1, 1]", "class_weight must be at least 0", "at least 0"),
        ("class_weights: effective beta: 1", "beta must be", "0.999"),
        ("focal_gamma: -1", "focal_gamma must be at least 0", "2"),
        ("class_weights: inverse logit_adjustment: 1", "twice", "remove"),
    ],
)
def test_what_is_refused(inside: str, what: str, remedy: str) -> None:
    refused(f'type: "SoftmaxWithLoss" lungo {{ softmax_with_loss {{ {inside} }} }}', [(4, 3), (4,)], what, remedy)


def test_focal_loss_has_no_smoothed_targets() -> None:
    layer = 'type: "SoftmaxWithLoss" lungo { label_smoothing: 0.1 softmax_with_loss { focal_gamma: 2 } }'
    refused(layer, [(4, 3), (4,)], "not defined", "remove `focal_gamma`")
