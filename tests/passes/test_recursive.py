"""WWA as drawn in the paper (figure 2e): every edge, and what stays."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition.reader import Definition
from caffelungo.errors import UserError
from caffelungo.passes.base import Refusal, step
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, apply, layer, lines, net


def wwa(text: str, *layers: tuple[str, int], **unit: object) -> Definition:
    chosen = tuple((name, UnitOptions(units, **unit)) for name, units in layers)  # type: ignore[arg-type]
    return apply(text, step(recursive, RecursiveOptions(chosen))).definition


def edges(definition: Definition, weighted: set[str]) -> set[tuple[str, str]]:
    """Which of ``weighted`` (and pool1) reads which, seen through everything between."""
    graph = View(definition).graph
    found = set()
    for one in graph.plan.layers:
        if one.name not in weighted:
            continue
        queue = list(one.bottom_values)
        while queue:
            maker = graph.producer[queue.pop()]
            if maker.name in weighted | {"pool1"}:
                found.add((maker.name, one.name))
            else:
                queue.extend(maker.bottom_values)
    return found


def test_edge_by_edge() -> None:
    after = wwa(ALEX, ("fc6", 3), ("fc7", 6))
    assert edges(after, {"fc6", "fc6_new", "fc7", "fc7_new", "fc8_recursive"}) == {
        ("pool1", "fc6"),
        ("fc6", "fc7"),
        ("fc7", "fc8_recursive"),
        ("pool1", "fc6_new"),
        ("fc6", "fc7_new"),
        ("fc6_new", "fc7_new"),
        ("fc7_new", "fc8_recursive"),
    }


def test_only_the_copy_for_new_units_is_normalized() -> None:
    after = wwa(ALEX, ("fc6", 3), ("fc7", 6))
    found = lines(after)
    start = [line.split()[0] for line in found].index("fc6")
    assert found[start : start + 19] == [
        "fc6 InnerProduct pool1 -> fc6",
        "relu6 ReLU fc6 -> fc6",
        "norm6 Normalize fc6 -> norm6",
        "drop6 Dropout fc6 -> drop6_out",
        "drop6_wide Dropout norm6 -> norm6",
        "fc6_new InnerProduct pool1 -> fc6_new",
        "relu6_new ReLU fc6_new -> fc6_new",
        "norm6_new Normalize fc6_new -> norm6_new",
        "drop6_new Dropout norm6_new -> norm6_new",
        "fc6_wide Concat norm6,norm6_new -> fc6_wide",
        "fc7 InnerProduct drop6_out -> fc7",
        "relu7 ReLU fc7 -> fc7",
        "norm7 Normalize fc7 -> norm7",
        "drop7 Dropout norm7 -> norm7",
        "fc7_new InnerProduct fc6_wide -> fc7_new",
        "relu7_new ReLU fc7_new -> fc7_new",
        "norm7_new Normalize fc7_new -> norm7_new",
        "drop7_new Dropout norm7_new -> norm7_new",
        "fc7_wide Concat norm7,norm7_new -> fc7_wide",
    ]


def test_the_layer_below_is_found_and_gets_half_the_units() -> None:
    after = wwa(ALEX, ("fc7", 6))
    assert layer(after, "fc6_new").inner_product_param.num_output == 3
    assert layer(after, "fc7_new").inner_product_param.num_output == 6


def test_old_layers_compute_what_they_did() -> None:
    from tests.passes.numbers import before_and_after, picture

    result = apply(ANSWER, step(recursive, RecursiveOptions((("fc7", UnitOptions(6)),))))
    before, after = before_and_after(net(ANSWER), result, picture(20))
    for name in ("pool1", "fc6", "fc7"):
        np.testing.assert_array_equal(before(name), after(name))


def test_pooling_between_the_two_is_copied_for_the_joined_units() -> None:
    found = lines(_lenet())
    assert "pool1_wide Pooling conv1_wide -> pool1_wide" in found
    assert "ip1_new InnerProduct pool1_wide -> ip1_new" in found
    assert "ip1 InnerProduct pool1 -> ip1" in found


def _lenet() -> Definition:
    text = ANSWER.split("# A vector.")[0] + (
        'layer { name: "ip1" type: "InnerProduct" bottom: "pool1" top: "ip1" inner_product_param { num_output: 7 } }\n'
        'layer { name: "relu_1" type: "ReLU" bottom: "ip1" top: "ip1" }\n'
        'layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 3 } }\n'
        'layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }\n'
    )
    return wwa(text, ("ip1", 6))


def test_beside_residual_blocks_and_fire_modules() -> None:
    found = lines(wwa(RESIDUAL, ("res2", 6)))
    assert "conv1_wide Concat conv1_norm,conv1_norm_new -> conv1_wide" in found
    assert "res2_new Convolution conv1_wide -> res2_new" in found
    assert "res2 Eltwise conv1,conv2 -> res2" in found
    found = lines(wwa(FIRE, ("fire9/concat", 6)))
    assert "fire9/concat_new Convolution fire9/squeeze_wide -> fire9/concat_new" in found
    assert "fire9/expand3x3 Convolution fire9/squeeze -> fire9/expand3x3" in found


def test_without_normalization_nothing_of_the_old_path_changes() -> None:
    found = lines(wwa(ALEX, ("fc7", 6), normalize=False))
    assert "drop6 Dropout fc6 -> fc6" in found
    assert "fc6_wide Concat fc6,fc6_new -> fc6_wide" in found


def test_three_groups() -> None:
    text = ALEX.replace(
        'layer { name: "relu6"',
        'layer { name: "relu5" type: "ReLU" bottom: "fc6" top: "fc6" }\n'
        'layer { name: "fc65" type: "InnerProduct" bottom: "fc6" top: "fc65" inner_product_param { num_output: 5 } }\n'
        'layer { name: "relu6"',
    ).replace(
        'bottom: "fc6" top: "fc6" }\nlayer { name: "drop6"', 'bottom: "fc65" top: "fc65" }\nlayer { name: "drop6"'
    )
    text = text.replace('"Dropout" bottom: "fc6" top: "fc6"', '"Dropout" bottom: "fc65" top: "fc65"')
    text = text.replace('"InnerProduct" bottom: "fc6" top: "fc7"', '"InnerProduct" bottom: "fc65" top: "fc7"')
    after = wwa(text, ("fc6", 2), ("fc65", 3), ("fc7", 4))
    found = lines(after)
    assert "fc65_new InnerProduct fc6_wide -> fc65_new" in found
    assert "fc7_new InnerProduct fc65_wide -> fc7_new" in found
    assert "fc65 InnerProduct fc6 -> fc65" in found


def test_refuses_layers_that_do_not_follow_each_other() -> None:
    with pytest.raises(Refusal, match="`fc7` does not read the output of `conv1`"):
        wwa(ALEX, ("conv1", 3), ("fc7", 6))
    with pytest.raises(UserError, match="pre-trained"):
        wwa(ALEX, ("conv1", 3), ("fc6", 6))
    with pytest.raises(Refusal, match="below `conv1` there is no layer"):
        wwa(ANSWER.split("# A vector.")[0] + _HEAD, ("conv1", 3))


_HEAD = (
    'layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param { num_output: 3 } }\n'
    'layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }\n'
)
