"""New layers before the classifier."""

from __future__ import annotations

import pytest

from caffelungo.passes.base import Refusal, Result, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.widen import WidenOptions, widen
from tests.passes.nets import ALEX, FIRE, RESIDUAL, THREE_HEADS, apply, comments, layer, lines


def deepened(text: str, name: str, units: int = 6, **unit: object) -> Result:
    return apply(text, step(deepen, DeepenOptions(name, UnitOptions(units, **unit))))  # type: ignore[arg-type]


def test_the_picture_at_the_top_of_the_file() -> None:
    found = lines(deepened(ALEX, "fc7").definition)
    start = found.index("drop7 Dropout fc7 -> fc7")
    assert found[start + 1 : start + 6] == [
        "fc7_deep InnerProduct fc7 -> fc7_deep",
        "relu7_deep ReLU fc7_deep -> fc7_deep",
        "norm7_deep Normalize fc7_deep -> norm7_deep",
        "drop7_deep Dropout norm7_deep -> norm7_deep",
        "fc8_deep InnerProduct norm7_deep -> fc8_deep",
    ]


def test_everything_below_stays() -> None:
    before, after = apply(ALEX).definition, deepened(ALEX, "fc7").definition
    for name in ("conv1", "fc6", "fc7", "relu7", "drop7"):
        assert layer(before, name) == layer(after, name)
    assert all(comment in after.text for comment in comments(ALEX))


def test_rates_filler_and_units() -> None:
    after = deepened(ALEX, "fc7", units=9).definition
    new = layer(after, "fc7_deep")
    assert new.inner_product_param.num_output == 9
    assert new.inner_product_param.weight_filler.type == "xavier"
    assert [(one.lr_mult, one.decay_mult) for one in new.param] == [(10, 1), (20, 0)]
    assert layer(after, "fc8_deep").inner_product_param.num_output == 1000


def test_normalization_is_optional() -> None:
    found = lines(deepened(ALEX, "fc7", normalize=False).definition)
    assert not any("Normalize" in line for line in found)
    assert "fc8_deep InnerProduct fc7_deep -> fc8_deep" in found


def test_before_a_convolution() -> None:
    after = deepened(FIRE, "fire9/concat").definition
    found = lines(after)
    start = found.index("drop9 Dropout fire9/concat -> fire9/concat")
    assert found[start + 1 : start + 6] == [
        "fire9/concat_deep Convolution fire9/concat -> fire9/concat_deep",
        "fire9/concat_deep_relu ReLU fire9/concat_deep -> fire9/concat_deep",
        "fire9/concat_deep_norm Normalize fire9/concat_deep -> fire9/concat_deep_norm",
        "drop9_deep Dropout fire9/concat_deep_norm -> fire9/concat_deep_norm",
        "conv10_deep Convolution fire9/concat_deep_norm -> conv10_deep",
    ]
    assert list(layer(after, "fire9/concat_deep").convolution_param.kernel_size) == [1]


def test_after_pooling() -> None:
    found = lines(deepened(RESIDUAL, "res2").definition)
    assert "res2_deep InnerProduct pool -> res2_deep" in found
    assert "relu2_deep ReLU res2_deep -> res2_deep" in found


def test_on_top_of_widened_features() -> None:
    first = step(widen, WidenOptions("fc7", UnitOptions(6)))
    found = lines(apply(ALEX, first, step(deepen, DeepenOptions("fc7_wide", UnitOptions(4)))).definition)
    assert "fc7_deep InnerProduct fc7_wide -> fc7_deep" in found
    assert any(" Dropout norm7_deep -> norm7_deep" in line for line in found)


def test_on_top_of_both_groups_when_the_old_layer_is_named() -> None:
    first = step(widen, WidenOptions("fc7", UnitOptions(6)))
    found = lines(apply(ALEX, first, step(deepen, DeepenOptions("fc7", UnitOptions(4)))).definition)
    start = found.index("fc7_wide Concat norm7,norm7_new -> fc7_wide")
    assert found[start + 1 : start + 6] == [
        "fc7_deep InnerProduct fc7_wide -> fc7_deep",
        "relu7_deep ReLU fc7_deep -> fc7_deep",
        "norm7_deep Normalize fc7_deep -> norm7_deep",
        "drop7_deep Dropout norm7_deep -> norm7_deep",
        "fc8_wide_deep InnerProduct norm7_deep -> fc8_wide_deep",
    ]


def test_refuses_two_forms_of_the_features() -> None:
    with pytest.raises(Refusal, match="through different layers"):
        deepened(THREE_HEADS, "conv2")


def test_refuses_what_other_layers_read() -> None:
    with pytest.raises(Refusal, match="deepening it would change"):
        deepened(ALEX, "fc6")


def test_refuses_the_classifier() -> None:
    with pytest.raises(Refusal, match="is the classifier"):
        deepened(ALEX, "fc8")
