"""Normalize."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, layer_net, plan_of, refused

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4, 5))


def test_each_position_over_channels() -> None:
    scale = np.array([1.0, 2.0, 3.0])
    want = X / np.sqrt((X * X).sum(1, keepdims=True) + 1e-10) * scale.reshape(1, 3, 1, 1)
    layer = 'type: "Normalize" norm_param { across_spatial: false channel_shared: false }'
    check_layer(layer, [X], [want], blobs=[scale])
    check_layer(layer, [X[:, :, 0, 0]], [want[:, :, 0, 0]], blobs=[scale])


def test_each_sample_with_one_scale() -> None:
    want = X / np.sqrt((X * X).sum((1, 2, 3), keepdims=True) + 0.5) * 20
    check_layer('type: "Normalize" norm_param { eps: 0.5 }', [X], [want], blobs=[np.array(20.0)])


def test_a_vector_of_zeros_stays_zero() -> None:
    layer = 'type: "Normalize" norm_param { across_spatial: false }'
    run = check_layer(layer, [np.zeros((1, 3))], [np.zeros((1, 3))], blobs=[np.array(20.0)], gradient=False)
    assert np.isfinite(run.diff["x0"]).all()


def test_the_scale_starts_at_1_unless_the_file_says_otherwise() -> None:
    first = plan_of(layer_net('type: "Normalize"', [(2, 3)])).layers[-1].params[0].spec
    assert (first.filler.type, first.filler.value) == ("constant", 1)
    refused('type: "Normalize"', [(3,)], "at least 2 axes")
