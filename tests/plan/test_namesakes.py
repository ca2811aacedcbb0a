"""Layers of one name in one state: what a file of weights cannot keep apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.check import check
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Problem
from caffelungo.plan import namesakes
from caffelungo.plan.build_plan import build_plan

Pair = tuple[str, str]
DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 8 dim: 8 } } }\n'
PAIRS = {
    "InnerProduct": ("inner_product_param { num_output: 3 }", "inner_product_param { num_output: 5 }"),
    "no bias": ("inner_product_param { num_output: 3 }", "inner_product_param { num_output: 3 bias_term: false }"),
    "Convolution": (
        "convolution_param { num_output: 4 kernel_size: 1 }",
        "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }",
    ),
    "Deconvolution": (
        "convolution_param { num_output: 4 kernel_size: 1 }", "convolution_param { num_output: 2 kernel_size: 1 }",
    ),
    "PReLU": ("prelu_param { channel_shared: true }", ""),
    "Scale": ("", "scale_param { bias_term: true }"),
    "Bias": ("bias_param { num_axes: 1 }", "bias_param { num_axes: 2 }"),
}  # fmt: skip
"""Options of two layers of one type that differ in their parameters' shapes."""


def found(text: str, phase: int = TRAIN) -> list[Problem]:
    problems: list[Problem] = []
    definition = parse_net(text)
    build_plan(definition.message, net_state(definition.message, phase), where=definition.where, problems=problems)
    return problems


def two(kind: str, options: Pair, rules: Pair = ("", ""), names: Pair = ("x", "x")) -> str:
    kind = "InnerProduct" if kind == "no bias" else kind
    return DATA + "".join(
        f'layer {{ name: "{name}" type: "{kind}" bottom: "data" top: "{top}" {options} {rule} }}\n'
        for top, name, options, rule in zip("ab", names, options, rules, strict=True)
    )


@pytest.mark.parametrize("kind", PAIRS)
def test_one_name_for_parameters_of_two_shapes_is_refused_within_a_phase(kind: str) -> None:
    (problem,) = found(two(kind, PAIRS[kind]))
    assert "two layers are called `x`, and their parameters differ in shape" in problem.what
    assert problem.where is not None
    assert problem.where.line == 3
    assert ":2:" in str(problem.received)
    assert not found(two(kind, PAIRS[kind], names=("x", "y")))


@pytest.mark.parametrize("kind", PAIRS)
def test_across_phases_and_without_parameters_a_name_may_come_twice(kind: str) -> None:
    phases = ("include { phase: TRAIN }", "include { phase: TEST }")
    for phase in (TRAIN, TEST):
        assert not found(two(kind, PAIRS[kind], phases), phase)
    assert not found(two("ReLU", ("", "")))


def test_of_equal_shapes_a_notice_says_what_a_file_keeps() -> None:
    options = ("inner_product_param { num_output: 3 }",) * 2
    shared = tuple(f'{one} param {{ name: "w" }} param {{ name: "b" }}' for one in options)
    for text, count in ((two("InnerProduct", options), 1), (two("InnerProduct", (shared[0], shared[1])), 0)):
        definition = parse_net(text)
        plan = build_plan(definition.message, net_state(definition.message, TRAIN))
        assert len(namesakes.notices(plan)) == count


def test_check_refuses_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(two("InnerProduct", PAIRS["InnerProduct"]))
    assert len(check([path]).problems) == 1
    path.write_text(
        two("InnerProduct", ("inner_product_param { num_output: 3 }",) * 2)
        + 'layer { name: "loss" type: "EuclideanLoss" bottom: "a" bottom: "b" }\n'
    )
    assert any("several layers are called `x`" in text for text in check([path]).notices)
