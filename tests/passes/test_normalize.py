from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.normalize import NormalizeOptions, normalize
from tests.passes.nets import ALEX, ANSWER, RESIDUAL, apply, comments, layer, lines, net
from tests.passes.numbers import before_and_after, picture


def test_between_the_non_linearity_and_dropout() -> None:
    result = apply(ALEX, step(normalize, NormalizeOptions("fc7", 10)))
    found = lines(result.definition)
    start = found.index("relu7 ReLU fc7 -> fc7")
    assert found[start : start + 4] == [
        "relu7 ReLU fc7 -> fc7",
        "norm7 Normalize fc7 -> norm7",
        "drop7 Dropout norm7 -> norm7",
        "fc8_norm InnerProduct norm7 -> fc8_norm",
    ]
    norm = layer(result.definition, "norm7")
    assert norm.norm_param.scale_filler.value == 10
    assert [(one.lr_mult, one.decay_mult) for one in norm.param] == [(1, 0)]
    assert set(comments(ALEX)) <= set(comments(result.definition.text))


def test_a_constant_scale_is_not_learned() -> None:
    after = apply(ALEX, step(normalize, NormalizeOptions("fc7", learned=False))).definition
    assert [(one.lr_mult, one.decay_mult) for one in layer(after, "norm7").param] == [(0, 0)]


def test_features_have_the_length_of_the_scale() -> None:
    result = apply(ANSWER, step(normalize, NormalizeOptions("fc7", 12)))
    before, after = before_and_after(net(ANSWER), result, picture(20))
    np.testing.assert_array_equal(before("fc7"), after("fc7"))
    np.testing.assert_allclose(np.linalg.norm(after("norm7"), axis=1), 12, rtol=1e-4)


def test_of_what_is_pooled() -> None:
    assert "fc_norm InnerProduct pool_norm -> fc_norm" in lines(
        apply(RESIDUAL, step(normalize, NormalizeOptions("pool"))).definition
    )


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (ALEX, NormalizeOptions("fc6"), "pre-trained"),
        (ALEX, NormalizeOptions("fc8"), "is the classifier"),
        (ALEX, NormalizeOptions("fc7", 0), "above 0"),
    ],
)
def test_refusals(text: str, options: NormalizeOptions, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        apply(text, step(normalize, options))


def test_refuses_to_normalize_twice() -> None:
    once = step(normalize, NormalizeOptions("fc7"))
    with pytest.raises(UserError, match="normalizes it already"):
        apply(ALEX, once, once)
