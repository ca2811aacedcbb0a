"""Scale."""

from __future__ import annotations

import numpy as np

from tests.layers.helper import check_layer, layer_net, plan_of, refused

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4, 5))


def test_one_scale_a_channel_with_bias() -> None:
    scale, bias = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    want = X * scale.reshape(3, 1, 1) + bias.reshape(3, 1, 1)
    check_layer('type: "Scale" scale_param { bias_term: true }', [X], [want], blobs=[scale, bias])


def test_more_axes() -> None:
    scale = RNG.normal(size=(4, 5))
    check_layer('type: "Scale" scale_param { axis: 2 num_axes: -1 }', [X], [X * scale], blobs=[scale])
    check_layer('type: "Scale" scale_param { num_axes: 0 }', [X], [X * 3], blobs=[np.array(3.0)])


def test_a_second_bottom() -> None:
    scale, bias = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    want = X * scale[..., None] + bias[..., None]
    check_layer('type: "Scale" scale_param { bias_term: true }', [X, scale], [want], blobs=[bias])
    check_layer('type: "Scale"', [X, np.array(2.0)], [X * 2])


def test_refusals_and_start() -> None:
    refused('type: "Scale" scale_param { num_axes: 4 }', [(2, 3, 4)], "num_axes 4 from axis 1", "at most 2")
    refused('type: "Scale"', [(2, 3, 4), (5,)], "bottom 1 does not fit")
    specs = [
        use.spec
        for use in plan_of(layer_net('type: "Scale" scale_param { bias_term: true }', [(2, 3)])).layers[-1].params
    ]
    assert [spec.filler.value for spec in specs] == [1, 0]
