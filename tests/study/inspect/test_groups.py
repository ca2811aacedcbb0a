"""Old and new units at the classifier's input, for every form in which a net grows."""

from __future__ import annotations

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.passes.base import run, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.study.inspect.groups import Top, find_top, output_of

NET = """
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "relu0" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc6" type: "InnerProduct" bottom: "conv" top: "fc6" inner_product_param { num_output: 6 } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" inner_product_param { num_output: 4 } }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "drop7" type: "Dropout" bottom: "fc7" top: "fc7" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss" }
"""
OLD = {"conv", "fc6", "fc7", "fc8"}


def top_of(*steps, net: str = NET, old=frozenset(OLD)) -> tuple[View, Top]:
    view = View(run(parse_net(net), list(steps)).definition if steps else parse_net(net))
    new = {one.name for one in view.plan.layers if one.params} - old
    return view, find_top(view.graph, view.heads()[0].head, new)


def told(top: Top) -> list[tuple[str, bool, list[str], list[tuple[int, int]]]]:
    return [(group.name, group.new, group.layers, list(group.spans)) for group in top.groups]


def test_plain_net_has_units_and_no_groups() -> None:
    view, top = top_of()
    assert top.groups == ()
    assert [(leaf.maker.name, leaf.start, leaf.stop, leaf.new) for leaf in top.leaves] == [("fc7", 0, 4, False)]
    assert view.graph.producer[top.leaves[0].value].name == "relu7"


@pytest.mark.parametrize("normalized", [True, False])
def test_widened(normalized: bool) -> None:
    view, top = top_of(step(widen, WidenOptions("fc7", UnitOptions(7, normalize=normalized))))
    assert told(top) == [
        ("old units", False, ["fc7"], [(0, 4)]),
        ("new units", True, ["fc7_new"], [(4, 11)]),
    ]
    assert top.reader.name == "fc8_wide"
    assert [view.graph.producer[leaf.value].layer.type for leaf in top.leaves] == ["ReLU", "ReLU"]


def test_widened_and_deepened_is_read_by_the_new_layer() -> None:
    _, top = top_of(step(joint, JointOptions("fc7", UnitOptions(7))))
    assert [group.name for group in top.groups] == ["old units", "new units"]
    assert top.reader.name not in OLD
    assert top.reader.layer.options.num_output == 7


def test_deepened_has_one_group_only() -> None:
    _, top = top_of(step(deepen, DeepenOptions("fc7", UnitOptions(7))))
    assert top.groups == ()
    assert [leaf.new for leaf in top.leaves] == [True]


def test_recursive() -> None:
    _, top = top_of(step(recursive, RecursiveOptions((("fc6", UnitOptions(3)), ("fc7", UnitOptions(7))))))
    assert [(group.name, group.units) for group in top.groups] == [("old units", 4), ("new units", 7)]


def test_grown_twice_has_a_group_for_each_time() -> None:
    first = step(widen, WidenOptions("fc7", UnitOptions(7)))
    again = step(widen, WidenOptions("fc7_wide", UnitOptions(2)))
    view, top = top_of(first, again)
    assert [(group.units, group.new) for group in top.groups] == [(4, False), (7, True), (2, True)]
    before = OLD | {"fc7_new", "norm7", "norm7_new", "fc8_wide"}
    head = view.heads()[0].head
    new = {one.name for one in view.plan.layers if one.params} - before
    assert [group.units for group in find_top(view.graph, head, new).groups] == [11, 2]


def test_features_of_two_layers() -> None:
    _, top = top_of(step(read, ReadOptions(("conv",))))
    assert next((group.new, group.units) for group in top.groups) == (False, 4)
    assert all(group.name.startswith("features of ") for group in top.groups)


CONV = """
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "b" type: "Convolution" bottom: "data" top: "b" convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "n" type: "Convolution" bottom: "data" top: "n" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "ab" type: "Concat" bottom: "a" bottom: "b" top: "ab" }
layer { name: "relu" type: "ReLU" bottom: "ab" top: "ab" }
layer { name: "abn" type: "Concat" bottom: "ab" bottom: "n" top: "abn" }
layer { name: "pool" type: "Pooling" bottom: "abn" top: "pool" pooling_param { kernel_size: 4 stride: 4 } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def test_channels_are_runs_of_values_behind_a_flatten() -> None:
    _, top = top_of(net=CONV, old=frozenset({"a", "b", "fc"}))
    assert told(top) == [
        ("old units", False, ["a", "b"], [(0, 20)]),
        ("new units", True, ["n"], [(20, 36)]),
    ]


def test_output_of_stops_before_dropout() -> None:
    view, _ = top_of()
    fc7 = next(one for one in view.plan.layers if one.name == "fc7")
    assert view.graph.producer[output_of(view.graph, fc7)].name == "relu7"
