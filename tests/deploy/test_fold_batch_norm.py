from __future__ import annotations

import numpy as np
import pytest
import torch

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.fold_batch_norm import Folded, fold_batch_norm
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan
from caffelungo.weights import match_layers
from tests.deploy.nets import plan_of, random_weights

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 5 dim: 4 } } }\n'
CONV = (
    'layer { name: "conv" type: "Convolution" bottom: "data" top: "c" '
    "convolution_param { num_output: 4 kernel_size: 3 %s } }\n"
)
BN = 'layer { name: "bn" type: "BatchNorm" bottom: "%s" top: "%s" %s }\n'
SCALE = 'layer { name: "scale" type: "Scale" bottom: "%s" top: "%s" scale_param { bias_term: %s } }\n'
RELU = 'layer { name: "relu" type: "ReLU" bottom: "%s" top: "out" }\n'


def outputs(plan: Plan, arrays: dict) -> dict[str, np.ndarray]:
    store = Store(plan, seed=0)
    store.load(arrays)
    net = StepNet(plan, store)
    x = torch.from_numpy(np.random.default_rng(1).normal(0, 3, (2, 3, 5, 4)).astype(np.float32))
    with torch.no_grad():
        net.forward(x)
    return {blob: net.blob(blob).numpy() for blob in plan.blobs}


def check(text: str, left: list[str]) -> Folded:
    """Fold, assert which layers are left, and that every output and surviving blob is what it was."""
    message = parse_net(text).message
    plan = plan_of(message)
    arrays = match_layers.match(plan, random_weights(text)).arrays
    folded = fold_batch_norm(message, plan, arrays)
    assert [layer.name for layer in folded.message.layer if layer.type != "Input"] == left
    before, after = outputs(plan, arrays), outputs(plan_of(folded.message), folded.arrays)
    assert set(plan.outputs) <= set(after)
    for blob in after:
        np.testing.assert_allclose(after[blob], before[blob], rtol=1e-4, atol=1e-5, err_msg=blob)
    return folded


@pytest.mark.parametrize("bias", ["", "bias_term: false"])
@pytest.mark.parametrize("shift", ["true", "false"])
def test_in_place_chain(bias: str, shift: str) -> None:
    text = INPUT + CONV % bias + BN % ("c", "c", "") + SCALE % ("c", "c", shift) + RELU % "c"
    assert check(text, ["conv", "relu"]).stands_for == {"conv": "scale"}


def test_chain_with_blobs_of_their_own() -> None:
    folded = check(INPUT + CONV % "" + BN % ("c", "b", "") + SCALE % ("b", "s", "true") + RELU % "s", ["conv", "relu"])
    assert folded.message.layer[1].top == ["s"]


def test_without_scale() -> None:
    assert check(INPUT + CONV % "" + BN % ("c", "b", "") + RELU % "b", ["conv", "relu"]).stands_for == {"conv": "bn"}


def test_group_and_inner_product() -> None:
    grouped = CONV.replace("num_output: 4", "num_output: 6 group: 3") % ""
    check(INPUT + grouped + BN % ("c", "c", "") + RELU % "c", ["conv", "relu"])
    for more in ("", "transpose: true", "bias_term: false"):
        fc = (
            'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "c" inner_product_param { num_output: 4 %s } }'
        )
        check(INPUT + fc % more + BN % ("c", "c", "") + SCALE % ("c", "c", "true") + RELU % "c", ["fc", "relu"])


def test_before_nothing_foldable_it_becomes_a_scale() -> None:
    text = INPUT + BN % ("data", "b", "") + SCALE % ("b", "s", "true") + RELU % "s"
    folded = check(text, ["bn", "relu"])
    assert folded.message.layer[1].type == "Scale"
    assert folded.stands_for == {"bn": "scale"}


def test_a_convolution_that_others_read_is_left_alone() -> None:
    other = 'layer { name: "other" type: "TanH" bottom: "c" top: "t" }\n'
    check(INPUT + CONV % "" + other + BN % ("c", "b", "") + SCALE % ("b", "s", "true"), ["conv", "other", "bn"])


def test_a_norm_that_others_read_keeps_its_scale_apart() -> None:
    other = 'layer { name: "other" type: "TanH" bottom: "b" top: "t" }\n'
    check(INPUT + CONV % "" + BN % ("c", "b", "") + other + SCALE % ("b", "s", "true"), ["conv", "other", "scale"])


def test_an_output_of_the_net_is_not_folded_away() -> None:
    check(INPUT + CONV % "" + BN % ("c", "b", ""), ["conv"])
    message = parse_net(INPUT + CONV % "" + BN % ("c", "b", "")).message
    plan = plan_of(message)
    arrays = match_layers.match(plan, random_weights(INPUT + CONV % "" + BN % ("c", "b", ""))).arrays
    kept = fold_batch_norm(message, plan, arrays, keep=["c"])
    assert [layer.type for layer in kept.message.layer] == ["Input", "Convolution", "Scale"]


def test_statistics_of_the_batch_are_not_folded() -> None:
    own = "batch_norm_param { use_global_stats: false }"
    text = INPUT + CONV % "" + BN % ("c", "b", own)
    message = parse_net(text).message
    plan = plan_of(message)
    folded = fold_batch_norm(message, plan, match_layers.match(plan, random_weights(text)).arrays)
    assert [layer.type for layer in folded.message.layer] == ["Input", "Convolution", "BatchNorm"]


def test_two_norms_in_a_row() -> None:
    second = BN.replace('"bn"', '"bn2"') % ("b", "b2", "")
    check(INPUT + CONV % "" + BN % ("c", "b", "") + second + RELU % "b2", ["conv", "relu"])


def test_scale_and_bias_without_a_norm() -> None:
    bias = 'layer { name: "bias" type: "Bias" bottom: "s" top: "c2" }\n'
    folded = check(INPUT + CONV % "" + SCALE % ("c", "s", "true") + bias + RELU % "c2", ["conv", "relu"])
    assert folded.stands_for == {"conv": "bias"}


def test_factor_zero_gives_zero_statistics() -> None:
    text = INPUT + CONV % "" + BN % ("c", "c", "") + RELU % "c"
    message = parse_net(text).message
    plan = plan_of(message)
    weights = random_weights(text)
    weights.layers["bn"][2][:] = 0
    arrays = match_layers.match(plan, weights).arrays
    folded = fold_batch_norm(message, plan, arrays)
    before, after = outputs(plan, arrays), outputs(plan_of(folded.message), folded.arrays)
    np.testing.assert_allclose(after["out"], before["out"], rtol=1e-4, atol=1e-3)


def test_shared_kernels_are_left_alone() -> None:
    shared = CONV.replace('bottom: "data"', 'param { name: "w" } param { name: "b" } bottom: "data"') % ""
    second = shared.replace('"conv"', '"conv2"').replace('"c"', '"c2"')
    text = INPUT + shared + BN % ("c", "b", "") + second + 'layer { name: "e" type: "TanH" bottom: "c2" top: "e" }'
    check(text, ["conv", "bn", "conv2", "e"])
