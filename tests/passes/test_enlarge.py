"""A layer with copies of its own units computes what it computed."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.passes.base import Refusal, step
from caffelungo.passes.enlarge import EnlargeOptions, enlarge
from caffelungo.passes.moves import gather, moved
from tests.passes.nets import ANSWER, FIRE, RESIDUAL, apply, layer, net
from tests.passes.numbers import before_and_after, picture, random_blobs

NORMED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 9 } } }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 }
}
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" batch_norm_param { use_global_stats: true } }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "prelu1" type: "PReLU" bottom: "conv1" top: "conv1" }
layer { name: "lrn1" type: "LRN" bottom: "conv1" top: "lrn1" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 } }
layer { name: "flat" type: "Flatten" bottom: "lrn1" top: "flat" }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.mark.parametrize(
    ("text", "size", "grown", "answers"),
    [
        (ANSWER, 20, "fc7", "fc8"),
        (ANSWER, 20, "fc6", "fc8"),
        (ANSWER, 20, "conv1", "fc8"),
        (FIRE, 21, "fire9/concat", "conv10"),
        (FIRE, 21, "conv1", "conv10"),
        (RESIDUAL, 16, "res2", "fc"),
        (NORMED, 9, "conv1", "fc"),
    ],
)
def test_answers_stay(text: str, size: int, grown: str, answers: str) -> None:
    result = apply(text, step(enlarge, EnlargeOptions(grown, 7)))
    before, after = before_and_after(net(text), result, picture(size, batch=1 if text is FIRE else 2))
    np.testing.assert_allclose(after(answers), before(answers), rtol=1e-4, atol=2e-5)


def test_units_are_copies_and_columns_are_divided() -> None:
    result = apply(ANSWER, step(enlarge, EnlargeOptions("fc7", 5, seed=3)))
    weights = random_blobs(net(ANSWER))
    new = moved(weights, result.moves)
    assert layer(result.definition, "fc7").inner_product_param.num_output == 15
    picks = [int(np.flatnonzero((weights["fc7"][0] == row).all(1))[0]) for row in new["fc7"][0][10:]]
    np.testing.assert_array_equal(new["fc7"][1], weights["fc7"][1][[*range(10), *picks]])
    times = 1 + np.bincount(picks, minlength=10)
    np.testing.assert_allclose(new["fc8"][0][:, :10] * times, weights["fc8"][0], rtol=1e-6)


def test_parts_of_a_block_share_the_units() -> None:
    result = apply(FIRE, step(enlarge, EnlargeOptions("fire9/concat", 7)))
    old = [layer(net(FIRE), f"fire9/{name}").convolution_param.num_output for name in ("expand1x1", "expand3x3")]
    new = [
        layer(result.definition, f"fire9/{name}").convolution_param.num_output for name in ("expand1x1", "expand3x3")
    ]
    assert [n - o for n, o in zip(new, old, strict=True)] == [4, 3]


@pytest.mark.parametrize(
    ("text", "grown", "why"),
    [
        (ANSWER, "data", "has no units to copy"),
        (RESIDUAL, "conv1", "would compute something else"),
        (NORMED.replace("WITHIN_CHANNEL", "ACROSS_CHANNELS"), "conv1", "would compute something else"),
        (ANSWER, "fc8", "would compute something else"),
    ],
)
def test_refusals(text: str, grown: str, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        apply(text, step(enlarge, EnlargeOptions(grown, 2)))


def test_no_units() -> None:
    with pytest.raises(Refusal, match="at least one unit"):
        apply(ANSWER, step(enlarge, EnlargeOptions("fc7", 0)))


def test_gather_keeps_the_places_of_a_channel_together() -> None:
    weights = {"fc": [np.arange(12, dtype=np.float32).reshape(2, 6)]}
    new = moved(weights, [gather("fc", 0, 1, (0, 1, 2, 0), width=2, share=True)])["fc"][0]
    np.testing.assert_array_equal(new[0], [0, 0.5, 2, 3, 4, 5, 0, 0.5])
