"""BatchNorm."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition.schema import TRAIN
from tests.layers.helper import check_layer, layer_net, run_net

RNG = np.random.default_rng(0)
X = RNG.normal(2, 3, (4, 3, 2, 5))


def normal(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (x - mean.reshape(1, -1, 1, 1)) / np.sqrt(variance.reshape(1, -1, 1, 1) + 1e-5)


def test_train_uses_the_batch_and_keeps_running_sums() -> None:
    mean, variance = X.mean((0, 2, 3)), X.var((0, 2, 3))
    before = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), np.array([2.0])]
    layer = 'type: "BatchNorm" batch_norm_param { moving_average_fraction: 0.9 }'
    run = check_layer(layer, [X], [normal(X, mean, variance)], blobs=before, phase=TRAIN)
    for index, want in enumerate([0.9 * before[0] + mean, 0.9 * before[1] + variance * 40 / 39, np.array([2.8])]):
        np.testing.assert_allclose(run.params["l", index], want, rtol=1e-5)


def test_test_divides_the_sums_by_the_factor() -> None:
    blobs = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), np.array([2.0])]
    check_layer('type: "BatchNorm"', [X], [normal(X, blobs[0] / 2, blobs[1] / 2)], blobs=blobs)


def test_a_factor_of_0_means_statistics_of_0() -> None:
    blobs = [np.ones(3), np.ones(3), np.zeros(1)]
    check_layer('type: "BatchNorm"', [X], [X / np.sqrt(1e-5)], blobs=blobs, tolerance=1e-3)


def test_use_global_stats_in_train_leaves_the_blobs_alone() -> None:
    blobs = [np.ones(3), np.full(3, 4.0), np.ones(1)]
    layer = 'type: "BatchNorm" batch_norm_param { use_global_stats: true }'
    run = check_layer(layer, [X], [normal(X, blobs[0], blobs[1])], blobs=blobs, phase=TRAIN)
    np.testing.assert_array_equal(run.params["l", 1], blobs[1])


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (1,)])
def test_one_value_a_channel(shape: tuple[int, ...]) -> None:
    channels = shape[1] if len(shape) > 1 else 1
    params = {("l", index): np.zeros(size) for index, size in enumerate((channels, channels, 1))}
    x = np.arange(1.0, channels + 1).reshape(shape)
    run = run_net(
        layer_net('type: "BatchNorm"', [shape]), {"x0": x}, params, phase=TRAIN, top_diffs={"y0": np.ones(shape)}
    )
    np.testing.assert_array_equal(run.data["y0"], np.zeros(shape))
    np.testing.assert_array_equal(run.params["l", 0], x.ravel())
    np.testing.assert_array_equal(run.params["l", 1], np.zeros(channels))
    # The output is 0 whatever the input is.
    np.testing.assert_array_equal(run.diff["x0"], np.zeros(shape))
