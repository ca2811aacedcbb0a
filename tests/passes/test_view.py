"""What passes ask of a net."""

from __future__ import annotations

import pytest

from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Problem, UserError
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, FIRE, RESIDUAL, THREE_HEADS, net, view


def names(layers: object) -> list[str]:
    return [one.name for one in layers]  # type: ignore[attr-defined]


def test_both_phases_are_planned() -> None:
    seen = view(ALEX)
    assert set(seen.graphs) == {TRAIN, TEST}
    assert "accuracy" in names(seen.graphs[TEST].plan.layers)
    assert "accuracy" not in names(seen.graphs[TRAIN].plan.layers)


def test_a_file_that_only_trains_has_no_test_net() -> None:
    text = ALEX.replace(
        "include { phase: TEST }\n  transform_param", 'include { phase: TRAIN stage: "never" }\n  transform_param'
    )
    assert set(view(text).graphs) == {TRAIN}


def test_classifiers_through_pooling_and_in_place_layers() -> None:
    (conv10,) = view(FIRE).classifiers
    assert conv10.name == "conv10"
    assert conv10.classes == 1000
    assert conv10.label is None
    assert names(conv10.between) == ["relu10", "pool10"]
    assert names(conv10.ends) == ["prob"]


def test_every_classifier_on_the_label() -> None:
    found = view(THREE_HEADS).classifiers
    assert [one.name for one in found] == ["loss1/classifier", "loss2/classifier", "loss3/classifier"]
    assert [one.label for one in found] == ["label"] * 3
    assert found[0].weight == pytest.approx(0.3)
    assert found[2].weight == 1


def test_ends_of_a_classifier_come_from_both_phases() -> None:
    (fc8,) = view(ALEX).classifiers
    assert sorted(names(fc8.ends)) == ["accuracy", "accuracy_top5", "loss"]


def test_a_softmax_inside_a_net_is_no_classifier() -> None:
    gate = """
layer { name: "gate" type: "Convolution" bottom: "conv1" top: "gate"
  convolution_param { num_output: 8 kernel_size: 1 } }
layer { name: "attend" type: "Softmax" bottom: "gate" top: "gate" }
layer { name: "gated" type: "Eltwise" bottom: "conv1" bottom: "gate" top: "gated" eltwise_param { operation: PROD } }
layer { name: "fire9/squeeze" type: "Convolution" bottom: "gated\""""
    text = FIRE.replace('layer {\n  name: "fire9/squeeze" type: "Convolution" bottom: "conv1"', gate)
    assert [one.name for one in view(text).classifiers] == ["conv10"]


def test_open_ends_are_classifiers_where_there_is_nothing_else() -> None:
    text = RESIDUAL.replace('layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }', "")
    assert [one.name for one in view(text).classifiers] == ["fc"]


def test_chain_and_upstream() -> None:
    seen = view(ALEX)
    assert names(seen.graph.chain(seen.find("fc7"))) == ["relu7", "drop7"]
    above = names(seen.graph.upstream([seen.find("pool1")]))
    assert above == ["data", "conv1", "relu1", "pool1"]


def test_dominator_of_a_residual_block_is_its_input_after_the_relu() -> None:
    seen = view(RESIDUAL)
    value = seen.graph.dominator(seen.find("res2").bottom_values)
    assert value is not None
    assert seen.graph.producer[value].name == "relu1"


def test_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        view(ALEX).find("fc77", "--widen")
    (problem,) = caught.value.problems
    assert problem.received == "--widen fc77"
    assert problem.remedy == "did you mean `fc7`?"


def test_head_that_is_no_classifier() -> None:
    with pytest.raises(UserError) as caught:
        view(ALEX).heads("fc7")
    (problem,) = caught.value.problems
    assert problem.where is not None
    assert problem.where.line == 38
    assert "fc8" in str(problem.remedy)


def test_problems_are_raised_or_collected() -> None:
    broken = net(ALEX.replace('bottom: "pool1" top: "fc6"', 'bottom: "pol1" top: "fc6"'))
    with pytest.raises(UserError):
        View(broken)
    problems: list[Problem] = []
    View(broken, problems)
    assert problems
    assert all(problem.where is not None for problem in problems)


def test_a_net_without_data() -> None:
    with pytest.raises(UserError, match="no data layer"):
        view('layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 1 } } }')


def test_free_names() -> None:
    seen = view(ALEX)
    assert seen.free("fc7_new") == "fc7_new"
    assert seen.free("fc7") == "fc72"
    assert seen.free("norm", {"norm"}) == "norm2"
