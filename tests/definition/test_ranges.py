"""The table of ranges: it knows every numeric field, the schema's own defaults belong, and what is said is right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffelungo.bounds import ANY, COUNT, FREE, LARGEST, POSITIVE, SHARE, WHOLE, Bounds
from caffelungo.definition import ranges
from caffelungo.definition.numeric import NUMBERS, range_problems
from caffelungo.definition.reader import parse_net, parse_recipe, parse_solver
from caffelungo.definition.schema import pool
from caffelungo.errors import UserError
from caffelungo.rewriting import recipe_solver, recipes


def messages() -> Iterator[Descriptor]:
    """Every message of both files of the schema."""
    for name in ("lungo.Preprocessing", "caffe.NetParameter"):
        left = list(pool().FindMessageTypeByName(name).file.message_types_by_name.values())
        while left:
            yield left[0]
            left += left.pop(0).nested_types


def fields() -> Iterator[FieldDescriptor]:
    for message in messages():
        yield from (field for field in message.fields if field.cpp_type in NUMBERS)


def test_every_numeric_field_has_a_range() -> None:
    found = {(field.containing_type.full_name, field.name) for field in fields()}
    assert len(found) > 200
    judged = {one for one in found if one[0] not in (*ranges.OLD, *ranges.DATA)}
    assert judged == {(message, field) for message, known in ranges.RANGES.items() for field in known}
    assert {*ranges.OLD, *ranges.DATA} <= {message for message, _ in found}


def test_a_range_within_a_message_names_fields_that_are_there() -> None:
    for name in ranges.WITHIN:
        message, outer, inner = name.rsplit(".", 2)
        outside = pool().FindMessageTypeByName(message).fields_by_name[outer]
        assert outside.message_type.fields_by_name[inner].cpp_type in NUMBERS


def test_what_the_schema_says_by_default_belongs() -> None:
    for field in fields():
        known = ranges.RANGES.get(field.containing_type.full_name, {})
        if field.name in known and field.has_default_value and not field.is_repeated:
            unset = ("caffe.RecurrentParameter.num_output",)  # 0 stands for what is missing
            assert known[field.name].admits(field.default_value) or field.full_name in unset, field.full_name


def test_what_a_remedy_proposes_belongs() -> None:
    for known in ranges.RANGES.values():
        for bounds in known.values():
            assert not bounds.usual or bounds.admits(float(bounds.usual))


@pytest.mark.parametrize(
    ("bounds", "value", "must", "remedy"),
    [
        (COUNT, 0, "at least 1", "write at least 1"),
        (COUNT, 2**31, f"at most {LARGEST}", f"write at most {LARGEST}"),
        (WHOLE, -1, "at least 0", "write at least 0"),
        (Bounds(0, 1, below=True), 1.0, "at least 0 and below 1", "write a number of at least 0 and below 1"),
        (POSITIVE, 0.0, "above 0", "write a number above 0"),
        (SHARE, 1.5, "from 0 to 1", "write a number from 0 to 1"),
        (Bounds(0, 1, below=True, usual="0.9"), 1.0, "at least 0 and below 1", "write `x: 0.9`"),
        (Bounds(0, 1, above=True), 0.0, "above 0 and at most 1", "write a number above 0 and at most 1"),
        (Bounds(advice="leave it out"), math.nan, "a finite number", "leave it out"),
        (ANY, math.inf, "a finite number", "write a finite number"),
        (FREE, math.nan, "a number", "write a number"),
        (POSITIVE, math.nan, "a finite number, above 0", "write a finite number, above 0"),
        (Bounds(-0.5, 0.5), -1, "from -0.5 to 0.5", "write a number from -0.5 to 0.5"),
    ],
)
def test_what_is_said(bounds: Bounds, value: float, must: str, remedy: str) -> None:
    assert not bounds.admits(value)
    assert (bounds.must(value), bounds.remedy("x", value)) == (must, remedy)


@pytest.mark.parametrize(
    ("bounds", "value"),
    [(COUNT, 1), (COUNT, LARGEST), (POSITIVE, 1e-45), (SHARE, 1), (SHARE, 0), (FREE, -math.inf), (ANY, -3e38)],
)
def test_what_belongs(bounds: Bounds, value: float) -> None:
    assert bounds.admits(value)


SAYS: dict[str, tuple[Any, str, str, str]] = {
    "repeated": (parse_net, "layer { convolution_param { pad: 1\n kernel_size: 3 kernel_size: 0 } }",
                 "kernel_size: 0", "2:30"),
    "in a filler": (parse_net, "layer { convolution_param { weight_filler {\n std: -0.1 } } }", "std: -0.1", "2:7"),
    "a second layer": (parse_net, 'layer { }\nlayer { loss_weight: nan }', "loss_weight: nan", "2:22"),
    "of the net": (parse_net, "lungo { preprocessing { scale: 1\n mean_value: inf } }", "mean_value: inf", "2:14"),
    "dim": (parse_net, "layer { input_param { shape { dim: 1 dim: -1 } } }", "dim: -1", "1:43"),
    "dim of a Reshape": (parse_net, "layer { reshape_param { shape { dim: -1 dim: -2 } } }", "dim: -2", "1:46"),
    "solver": (parse_solver, "lungo { delta {\n weight: -1 } }", "weight: -1", "2:10"),
    "recipe": (parse_recipe, "step { widen { units: 4\n noise: -0.5 } }", "noise: -0.5", "2:9"),
}  # fmt: skip


@pytest.mark.parametrize(("parse", "text", "received", "place"), SAYS.values(), ids=SAYS)
def test_each_is_told_with_its_place(parse: Any, text: str, received: str, place: str) -> None:
    definition = parse(text, "f")
    (problem,) = range_problems(definition.message, definition.where)
    assert (problem.received, str(problem.where)) == (received, f"f:{place}")


def test_a_large_mean_picture_is_judged_whole() -> None:
    text = "lungo { preprocessing { " + "mean_image: 1 " * 5000 + "mean_image: nan " + "mean_image: 1 " * 5000 + "} }"
    definition = parse_net(text)
    (problem,) = range_problems(definition.message, definition.where)
    assert problem.received == "mean_image: nan"


@pytest.mark.parametrize(("name", "value"), [("base_lr", "-0.1"), ("stepvalue", "-1"), ("momentum", "nan")])
def test_a_recipe_gives_a_solver_no_number_out_of_range(name: str, value: str) -> None:
    definition = parse_recipe(
        f'solver {{ name: "type" value: "Adam" }}\nsolver {{ name: "{name}" value: "{value}" }}', "f"
    )
    with pytest.raises(UserError) as caught:
        recipe_solver.solver_edits(definition)
    (problem,) = caught.value.problems
    assert problem.received == f"{name}: {value}"
    assert problem.where is not None
    assert problem.where.line == 2


def test_a_recipe_is_refused_with_all_of_them() -> None:
    text = "step { widen { units: 0 } } step { normalize { scale: 0 } } rate { layer: 'a' lr_mult: nan } rate_decay: -1"
    with pytest.raises(UserError) as caught:
        recipes.recipe(parse_recipe(text))
    received = [problem.received for problem in caught.value.problems]
    assert received == ["units: 0", "scale: 0", "lr_mult: nan", "rate_decay: -1"]
