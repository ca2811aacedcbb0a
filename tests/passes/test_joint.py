from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.new_units import UnitOptions
from tests.passes.nets import ALEX, FIRE, THREE_HEADS, apply, layer, lines


def test_the_new_layer_reads_both_groups_and_the_new_units_what_the_old_ones_read() -> None:
    result = apply(ALEX, step(joint, JointOptions("fc7", UnitOptions(6), deep=4)))
    found = lines(result.definition)
    start = [line.split()[0] for line in found].index("fc7")
    assert found[start : start + 14] == [
        "fc7 InnerProduct fc6 -> fc7",
        "relu7 ReLU fc7 -> fc7",
        "norm7 Normalize fc7 -> norm7",
        "drop7 Dropout norm7 -> norm7",
        "fc7_new InnerProduct fc6 -> fc7_new",
        "relu7_new ReLU fc7_new -> fc7_new",
        "norm7_new Normalize fc7_new -> norm7_new",
        "drop7_new Dropout norm7_new -> norm7_new",
        "fc7_wide Concat norm7,norm7_new -> fc7_wide",
        "fc7_deep InnerProduct fc7_wide -> fc7_deep",
        "relu7_deep ReLU fc7_deep -> fc7_deep",
        "norm7_deep Normalize fc7_deep -> norm7_deep",
        "drop7_deep Dropout norm7_deep -> norm7_deep",
        "fc8_joint InnerProduct norm7_deep -> fc8_joint",
    ]
    assert layer(result.definition, "fc7_new").inner_product_param.num_output == 6
    assert layer(result.definition, "fc7_deep").inner_product_param.num_output == 4


def test_through_a_convolutional_classifier() -> None:
    found = lines(apply(FIRE, step(joint, JointOptions("fire9/concat", UnitOptions(6)))).definition)
    assert "fire9/concat_deep Convolution fire9/concat_wide -> fire9/concat_deep" in found
    assert any(line.startswith("conv10_joint Convolution fire9/concat_deep_norm") for line in found)


def test_pooling_before_the_classifier_stays_between() -> None:
    found = lines(apply(THREE_HEADS.split('layer {\n  name: "loss2/classifier"')[0] + _LAST, step(
        joint, JointOptions("conv2", UnitOptions(6)))).definition)  # fmt: skip
    assert "pool Pooling conv2_wide -> pool" in found
    assert "conv2_deep InnerProduct pool -> conv2_deep" in found


_LAST = 'layer { name: "pool"' + THREE_HEADS.split('layer { name: "pool"')[1]


def test_refuses_what_widening_refuses() -> None:
    with pytest.raises(UserError, match="is the classifier"):
        apply(ALEX, step(joint, JointOptions("fc8", UnitOptions(6))))
    with pytest.raises(UserError, match="no units to add"):
        apply(ALEX, step(joint, JointOptions("fc7", UnitOptions(0))))
