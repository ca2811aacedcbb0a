from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.fold import FoldOptions, fold
from caffelungo.passes.moves import moved
from tests.passes.nets import ALEX, RESIDUAL, apply, lines, net
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
    with pytest.raises(UserError, match="no BatchNorm"):
        apply(ALEX, step(fold, FoldOptions()))
