"""Nets that hold several nets, told apart by stages: which stages training, testing and answering are read in."""

from __future__ import annotations

from typing import Any

import pytest

from caffelungo.definition.reader import Definition, parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan

DATA = "dummy_data_param { shape { dim: 4 dim: 6 } shape { dim: 4 } data_filler { } data_filler { } }"
INPUT = 'top: "data" input_param { shape { dim: 1 dim: 6 } }'
LEARNED = """
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }"""
LOSS = 'type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss"'
ACCURACY = 'type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"'
SOFTMAX = 'type: "Softmax" bottom: "fc" top: "softmax"'


def data(name: str, rules: str) -> str:
    return f'\nlayer {{ name: "{name}" type: "DummyData" top: "data" top: "label" {DATA} {rules} }}'


DIGITS = (
    data("train-data", 'include { stage: "train" }') + data("val-data", 'include { stage: "val" }') + LEARNED
    + f"""
layer {{ name: "loss" {LOSS} exclude {{ stage: "deploy" }} }}
layer {{ name: "accuracy" {ACCURACY} include {{ stage: "val" }} }}
layer {{ name: "softmax" {SOFTMAX} include {{ stage: "deploy" }} }}"""
)  # fmt: skip
OWN_INPUT = (
    data("data", 'exclude { stage: "deploy" }')
    + f'\nlayer {{ name: "input" type: "Input" {INPUT} include {{ stage: "deploy" }} }}' + LEARNED
    + f"""
layer {{ name: "loss" {LOSS} include {{ not_stage: "deploy" }} }}
layer {{ name: "accuracy" {ACCURACY} include {{ phase: TEST not_stage: "deploy" }} }}
layer {{ name: "softmax" {SOFTMAX} include {{ stage: "deploy" }} }}"""
)  # fmt: skip
TWO_TESTS = (
    data("train", "include { phase: TRAIN }") + data("seen", 'include { phase: TEST stage: "test-on-train-set" }')
    + data("unseen", 'include { phase: TEST stage: "test-on-test-set" }') + LEARNED
    + f"""
layer {{ name: "loss" {LOSS} }}
layer {{ name: "accuracy" {ACCURACY} include {{ phase: TEST }} }}"""
)  # fmt: skip
TOGETHER = (
    data("data", 'include { stage: "big" stage: "labelled" }') + LEARNED
    + f'\nlayer {{ name: "loss" {LOSS} include {{ stage: "labelled" }} }}'
)  # fmt: skip
REGRESSION = (
    data("one", 'include { stage: "a_train" }') + data("two", 'include { stage: "a_test" }')
    + LEARNED.replace("num_output: 3", "num_output: 1")
    + '\nlayer { name: "loss" type: "EuclideanLoss" bottom: "fc" bottom: "label" top: "loss" '
    + 'exclude { stage: "deploy" } }'
)  # fmt: skip
PHASES = (
    data("a", "include { phase: TRAIN }")
    + data("b", "include { phase: TEST }")
    + LEARNED
    + f"""
layer {{ name: "loss" {LOSS} }}"""
)


def layers(definition: Definition, state: Any) -> list[str]:
    return [one.name for one in build_plan(definition.message, state, where=definition.where).layers]


@pytest.mark.parametrize(
    ("net", "train", "test", "answer"),
    [
        (DIGITS, ["train"], ["val"], ["deploy"]),
        (OWN_INPUT, [], [], ["deploy"]),
        (TWO_TESTS, [], ["test-on-test-set"], ["test-on-test-set"]),
        (TOGETHER, ["big", "labelled"], ["big", "labelled"], ["big", "labelled"]),
        (REGRESSION, ["a_train"], ["a_test"], ["deploy"]),
        (PHASES, [], [], []),
    ],
    ids=["digits", "own input", "two tests", "together", "regression", "phases"],
)
def test_each_purpose_gets_the_stages_in_which_the_net_is_whole(
    net: str, train: list[str], test: list[str], answer: list[str]
) -> None:
    definition = parse_net(net)
    assert list(states.state_of(definition, TRAIN).stage) == train
    assert list(states.state_of(definition, TEST).stage) == test
    assert list(states.state_of(definition, TEST, answering=True).stage) == answer


@pytest.mark.parametrize("net", [DIGITS, OWN_INPUT, TWO_TESTS, TOGETHER, REGRESSION, PHASES])
def test_what_is_settled_fits_together_and_is_what_anyone_builds(net: str) -> None:
    for phase, answering in ((TRAIN, False), (TEST, False), (TEST, True)):
        notes: list[str] = []
        settled = states.settled(parse_net(net), phase, answering, notes)
        plan = build_plan(settled.message, states.state_of(settled, phase), where=settled.where)
        assert [one.name for one in plan.sources if "data" in one.tops]
        assert bool(notes) == (settled.text != net)


def test_a_stage_without_data_is_fed_what_testing_reads() -> None:
    settled = states.settled(parse_net(DIGITS), TEST, answering=True)
    assert layers(settled, states.state_of(settled, TEST)) == ["val-data", "fc", "softmax"]
    assert settled.where("layer", 2) == parse_net(DIGITS).where("layer", 2), "places stay those of the user's file"


@pytest.mark.parametrize("net", [DIGITS, OWN_INPUT, TWO_TESTS, TOGETHER, REGRESSION, PHASES])
def test_every_layer_of_a_sound_net_is_judged_and_no_state_has_a_problem(net: str) -> None:
    definition = parse_net(net)
    seen: set[str] = set()
    for one in states.judged(definition):
        seen.update(layers(one.definition, one.state))
        assert not one.notice or net == TOGETHER
    assert seen == {layer.name for layer in definition.message.layer}


def found(net: str) -> tuple[list[str], list[str]]:
    """The problems and the notices of all states that ``net`` is judged in."""
    problems: list[Any] = []
    judged = states.judged(parse_net(net))
    for one in judged:
        build_plan(one.definition.message, one.state, where=one.definition.where, problems=problems)
    return [problem.what for problem in problems], [one.notice for one in judged if one.notice]


@pytest.mark.parametrize(
    ("net", "old", "new", "told"),
    [
        (DIGITS, 'bottom: "label" top: "accuracy"', 'bottom: "labels" top: "accuracy"', "TEST with stage val"),
        (OWN_INPUT, 'bottom: "fc" top: "softmax"', 'bottom: "loss" top: "softmax"', "TEST with stage deploy"),
        (REGRESSION, 'type: "DummyData" top: "data" top: "label"', 'type: "DummyData" top: "data"', "label"),
        (TOGETHER, ' include { stage: "labelled" }', ' include { stage: "labelled" stage: "late" }', "late"),
    ],
)
def test_a_layer_that_fits_into_no_state_is_told(net: str, old: str, new: str, told: str) -> None:
    broken = net.replace(old, new, 1)
    assert broken != net
    problems, notices = found(broken)
    assert any(told in text for text in (*problems, *notices))


def test_a_layer_that_fits_only_where_two_stages_are_given_is_noticed_and_no_problem() -> None:
    problems, notices = found(DIGITS.replace('include { stage: "val" } }\nlayer { name: "fc"',
                                             'include { stage: "vla" } }\nlayer { name: "fc"'))  # fmt: skip
    assert problems == []
    assert notices == [
        "`accuracy` fits only where stages train and val are given together; in TEST with stage val nothing makes "
        "`data`, `label`"
    ]


def test_phases_in_the_place_of_stages_train_and_test_the_same_layers() -> None:
    definition = parse_net(DIGITS)
    phased = states.phased(definition)
    for phase in (TRAIN, TEST):
        plain = states.net_state(phased.message, phase)
        assert layers(phased, plain) == layers(definition, states.state_of(definition, phase))
    assert "stage" not in phased.text
    assert states.phased(parse_net(PHASES)).text == PHASES


def test_what_is_asked_for_is_taken_and_a_stage_that_nothing_names_is_told() -> None:
    asked = states.settled(parse_net(DIGITS).within(["val"]), TRAIN)
    assert layers(asked, states.state_of(asked, TRAIN)) == ["val-data", "fc", "loss", "accuracy"]
    with pytest.raises(UserError, match="did you mean --stage deploy") as raised:
        states.settled(parse_net(DIGITS).within(["depoly"]), TEST)
    assert "train, val, deploy" in str(raised.value)
    with pytest.raises(UserError, match="the net names none"):
        states.settled(parse_net(PHASES).within(["val"]), TEST)


def test_a_level_is_taken() -> None:
    net = LEARNED.replace("} }", "} include { min_level: 2 } }")
    definition = parse_net(data("d", "") + net)
    assert layers(states.settled(definition, TRAIN), states.state_of(definition, TRAIN)) == ["d"]
    high = states.settled(definition.within((), 2), TRAIN)
    assert layers(high, states.state_of(high, TRAIN)) == ["d", "fc"]
