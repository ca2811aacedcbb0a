"""The options of a pass as a block of a recipe: the message that the text is read into, and the way back.

    class SlowOptions: layers: tuple[str, ...], factor: float   <->   step { slow { layer: "conv*" factor: 0.5 } }

A text is a string, a word of several is written in capitals (``start: NET2NET``), a tuple is a repeated field, a tuple
of numbers with names is a block (``param { lr_mult: 10 }``). 0 or an empty text is what a field without a value means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from google.protobuf import descriptor_pb2

from caffelungo.bounds import ANY, Bounds
from caffelungo.definition.recipe_steps import PACKAGE
from caffelungo.errors import Location, Problem
from caffelungo.passes.option_fields import OptionField
from caffelungo.wording import counted

_FIELD = descriptor_pb2.FieldDescriptorProto


def word(choice: str) -> str:
    """A choice as a recipe writes it: ``NET2NET`` for ``net2net``."""
    return choice.upper().replace("-", "_")


def described(name: str, fields: Sequence[OptionField]) -> tuple[Any, dict[str, Bounds]]:
    """The message (a DescriptorProto) of the step ``name`` and the ranges of its numbers."""
    message = descriptor_pb2.DescriptorProto(name=_camel(name))
    bounds: dict[str, Bounds] = {}
    for number, one in enumerate((one for one in fields if one.recipe is not None), start=1):
        assert one.recipe is not None
        field = message.field.add(name=one.recipe, number=number)
        field.label = _FIELD.LABEL_REPEATED if one.many else _FIELD.LABEL_OPTIONAL
        limit = one.said.bounds or ANY
        if one.said.parts:
            block = message.nested_type.add(name=_camel(one.recipe))
            for k, (part, kind) in enumerate(zip(one.said.parts, one.kinds, strict=True), start=1):
                block.field.add(name=part, number=k, type=_type(kind, limit), label=_FIELD.LABEL_OPTIONAL)
                bounds[f"{block.name}.{part}"] = limit
            field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{PACKAGE}.{message.name}.{block.name}"
        elif one.said.choices:
            words = message.enum_type.add(name=f"{_camel(one.recipe)}Choice")
            for k, choice in enumerate(one.said.choices):
                words.value.add(name=word(choice), number=k)
            field.type, field.type_name = _FIELD.TYPE_ENUM, f".{PACKAGE}.{message.name}.{words.name}"
        else:
            field.type = _type(one.kinds[0], limit)
            bounds[one.recipe] = limit
    return message, bounds


def read(
    message: Any, fields: Sequence[OptionField], where: Callable[..., Location | None]
) -> tuple[dict[tuple[str, ...], Any], list[Problem]]:
    """What a step's ``message`` says, by path, and what is missing in it. ``where`` knows the places of its fields."""
    values: dict[tuple[str, ...], Any] = {}
    problems: list[Problem] = []
    for one in fields:
        if one.recipe is None:
            continue
        given = getattr(message, one.recipe)
        if not (len(given) if one.many else message.HasField(one.recipe)):
            if one.default is not MISSING:
                continue
            if one.said.absent is MISSING:
                problems.append(Problem(f"missing: {one.recipe}", where(), None, f"write {one.recipe} with a value"))
            values[one.path] = one.said.absent
        elif one.said.parts:
            values[one.path] = _parts(one, given, where, problems)
        elif one.many:
            values[one.path] = tuple(_value(one, item) for item in given)
        else:
            values[one.path] = _value(one, given) if given or not one.optional or one.said.choices else None
    return values, problems


def _parts(
    one: OptionField, given: Any, where: Callable[..., Location | None], problems: list[Problem]
) -> tuple[tuple[Any, ...], ...]:
    """The items of a tuple of tuples; those that are not given, and parts of them, are as by default."""
    usual: Sequence[Any] = one.default if one.default is not MISSING else ()
    if usual and len(given) > len(usual):
        problems.append(
            Problem(
                f"{one.recipe} may be written {counted(len(usual), 'time')} at most",
                where(one.recipe, len(usual)),
                counted(len(given), "time"),
                "remove the rest",
            )
        )
        return tuple(usual)
    found = []
    for k, item in enumerate(given):
        default = usual[k] if k < len(usual) else None
        values = []
        for n, part in enumerate(one.said.parts):
            if default is None and not item.HasField(part):
                problems.append(Problem(f"missing: {part}", where(one.recipe, k), None, f"write {part} with a value"))
            values.append(getattr(item, part) if default is None or item.HasField(part) else default[n])
        found.append(tuple(values))
    return (*found, *usual[len(found) :])


def _value(one: OptionField, given: Any) -> Any:
    return one.said.choices[given] if one.said.choices else given


def _type(kind: type, bounds: Bounds) -> Any:
    """The type of a field: whole numbers that cannot be negative are read as such."""
    if kind is int and bounds.low >= 0:
        return _FIELD.TYPE_UINT32 if bounds.high < 2**32 else _FIELD.TYPE_UINT64
    types: Mapping[type, Any] = {
        bool: _FIELD.TYPE_BOOL, int: _FIELD.TYPE_INT64, float: _FIELD.TYPE_DOUBLE, str: _FIELD.TYPE_STRING,
    }  # fmt: skip
    return types[kind]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
