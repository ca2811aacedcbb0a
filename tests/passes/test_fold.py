from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.fold import FoldOptions, fold
from caffelungo.passes.moves import moved
from tests.passes.nets import ALEX, ANSWER, RESIDUAL, apply, lines, net
from tests.passes.numbers import before_and_after, picture, random_blobs

PRE = RESIDUAL.replace(
    'layer { name: "pool"',
    'layer { name: "bn3" type: "BatchNorm" bottom: "res2" top: "bn3" }\n'
    'layer { name: "scale3" type: "Scale" bottom: "bn3" top: "bn3" scale_param { bias_term: true } }\n'
    'layer { name: "pool"',
).replace('bottom: "res2" top: "pool"', 'bottom: "bn3" top: "pool"')


WITH_BIAS = RESIDUAL.replace("bias_term: false", "")
NO_SCALE = RESIDUAL.replace(
    'layer { name: "scale2" type: "Scale" bottom: "conv2" top: "conv2" scale_param { bias_term: true } }', ""
)


@pytest.mark.parametrize("text", [RESIDUAL, PRE, WITH_BIAS, NO_SCALE])
def test_answers_stay_within_rounding(text: str) -> None:
    result = apply(text, step(fold, FoldOptions()))
    assert "BatchNorm" not in result.definition.text
    before, after = before_and_after(net(text), result, picture(16, batch=1))
    for name in ("conv1", "res2", "fc", "prob"):
        np.testing.assert_allclose(after(name), before(name), rtol=1e-5, atol=1e-5, err_msg=name)


def affine(*layers: str) -> str:
    """ANSWER with Scales and Biases behind its first convolution and its fc7 (transposed), in place."""
    text = ANSWER.replace(
        "inner_product_param { num_output: 10 }", "inner_product_param { num_output: 10 transpose: true }"
    )
    for place, top in (("relu1", "conv1"), ("relu7", "fc7")):
        new = "".join(
            f'layer {{ name: "{top}_{k}" bottom: "{top}" top: "{top}" {layer} }}\n' for k, layer in enumerate(layers)
        )
        text = text.replace(f'layer {{ name: "{place}"', f'{new}layer {{ name: "{place}"')
    return text


SCALE, BIAS = 'type: "Scale"', 'type: "Bias"'
SHIFTED = 'type: "Scale" scale_param { bias_term: true }'
ONE = 'type: "Scale" scale_param { num_axes: 0 bias_term: true }'


@pytest.mark.parametrize(
    "layers",
    [(SCALE,), (SHIFTED,), (BIAS,), (ONE,), (SCALE, BIAS), (BIAS, SCALE), (SHIFTED, 'type: "BatchNorm"', BIAS)],
)
@pytest.mark.parametrize("bias", [True, False])
def test_scale_and_bias_without_batch_norm(layers: tuple[str, ...], bias: bool) -> None:
    text = affine(*layers)
    if not bias:
        text = text.replace("kernel_size: 5 }", "kernel_size: 5 bias_term: false }")
    result = apply(text, step(fold, FoldOptions()))
    assert not any(kind in result.definition.text for kind in ('"Scale"', '"Bias"', '"BatchNorm"'))
    assert {"conv1_folded", "fc7_folded"} <= {line.split()[0] for line in lines(result.definition)}
    before, after = before_and_after(net(text), result, picture(20))
    for name in ("conv1", "fc7", "fc8"):
        size = np.abs(before(name)).max()
        np.testing.assert_allclose(after(name), before(name), rtol=1e-5, atol=1e-5 * size, err_msg=name)


@pytest.mark.parametrize(
    "layer",
    [
        'type: "Scale" scale_param { axis: 1 num_axes: 3 }',
        'type: "Scale" scale_param { axis: -1 }',
        'type: "Bias" bias_param { axis: 0 }',
    ],
)
def test_what_is_no_number_a_channel_stays(layer: str) -> None:
    text = ANSWER.replace(
        'layer { name: "relu1"',
        f'layer {{ name: "more" bottom: "conv1" top: "conv1" {layer} }}\nlayer {{ name: "relu1"',
    )
    with pytest.raises(UserError, match="nothing to fold"):
        apply(text, step(fold, FoldOptions()))


def test_a_scale_whose_input_is_read_elsewhere_stays() -> None:
    scale = 'layer { name: "s" type: "Scale" bottom: "fc7" top: "s" }\n'
    text = "\n".join(line for line in ANSWER.splitlines() if "relu7" not in line and "drop7" not in line)
    between = text.replace('bottom: "fc7" top: "fc8"', 'bottom: "s" top: "fc8"')
    apply(between.replace('layer { name: "fc8"', f'{scale}layer {{ name: "fc8"'), step(fold, FoldOptions()))
    with pytest.raises(UserError, match="nothing to fold"):
        apply(text + scale, step(fold, FoldOptions()))


def test_a_scale_is_folded_in_a_net_that_learns() -> None:
    text = ALEX.replace(
        'layer { name: "relu1"', 'layer { name: "s" type: "Scale" bottom: "conv1" top: "conv1" }\nlayer { name: "relu1"'
    )
    assert "conv1_folded Convolution data -> conv1" in lines(apply(text, step(fold, FoldOptions())).definition)


def test_a_scale_before_a_norm_that_learns_is_folded_and_the_norm_stays() -> None:
    text = ALEX.replace(
        'layer { name: "relu1"',
        'layer { name: "s" type: "Scale" bottom: "conv1" top: "conv1" }\n'
        'layer { name: "n" type: "BatchNorm" bottom: "conv1" top: "conv1" }\nlayer { name: "relu1"',
    )
    found = lines(apply(text, step(fold, FoldOptions())).definition)
    assert "n BatchNorm conv1 -> conv1" in found
    assert not any(line.startswith("s ") for line in found)


def test_layers_whose_weights_change_get_other_names() -> None:
    found = lines(apply(PRE, step(fold, FoldOptions())).definition)
    assert "conv1_folded Convolution data -> conv1" in found
    assert "bn3_folded Scale res2 -> bn3" in found
    assert not any(line.startswith(("bn1", "scale")) for line in found)


def test_weights_without_a_layer_are_left_alone() -> None:
    result = apply(RESIDUAL, step(fold, FoldOptions()))
    weights = random_blobs(net(RESIDUAL))
    del weights["bn1"]
    new = moved(weights, result.moves)
    assert "conv1_folded" not in new
    assert "conv2_folded" in new


def test_a_training_net_is_deployed_first() -> None:
    text = ALEX.replace(
        'layer { name: "relu1"',
        'layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }\nlayer { name: "relu1"',
    )
    with pytest.raises(UserError, match="takes its statistics from the batch"):
        apply(text, step(fold, FoldOptions()))
    after = apply(text, step(deploy, DeployOptions()), step(fold, FoldOptions())).definition
    assert "conv1_folded Convolution data -> conv1" in lines(after)
    frozen = text.replace('top: "conv1" }\nlayer { name: "relu1"', 'top: "conv1"\n'
                          '  batch_norm_param { use_global_stats: true } }\nlayer { name: "relu1"')  # fmt: skip
    assert "conv1_folded Convolution data -> conv1" in lines(apply(frozen, step(fold, FoldOptions())).definition)


def test_nothing_to_fold() -> None:
    with pytest.raises(UserError, match="no BatchNorm layer, and no Scale"):
        apply(ALEX, step(fold, FoldOptions()))
