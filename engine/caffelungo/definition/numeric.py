"""A message -> the numbers in it that are out of range (see ``ranges``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffelungo.bounds import ANY, Bounds
from caffelungo.definition import option_blocks, recipe_steps
from caffelungo.definition.fields import FieldInfo, message_info
from caffelungo.definition.ranges import DATA, OLD, RANGES, WITHIN
from caffelungo.errors import Location, Problem

Path = tuple[str | int, ...]
NUMBERS = frozenset({
    FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64, FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE,
})  # fmt: skip
"""Kinds of fields that hold numbers."""


def range_problems(
    message: Any, where: Callable[..., Location | None], path: Path = (), *, of: str = "", skip: Sequence[str] = ()
) -> list[Problem]:
    """A Problem for each number in ``message``, and in the messages in it, that is out of its field's range.

    ``path`` is that of ``message`` in what ``where`` knows, ``of`` says whose field it is, as ``layer `fc`: ``; fields
    of ``message`` named in ``skip`` are left out.
    """
    problems = []
    for inner, bounds, value in _wrong(message, "", skip):
        name = next(part for part in reversed(inner) if isinstance(part, str))
        problems.append(
            Problem(
                f"{of}{name} must be {bounds.must(value)}", where(*path, *inner), f"{name}: {value:.7g}"
                if isinstance(value, float) else f"{name}: {value}", bounds.remedy(name, value),
            )
        )  # fmt: skip
    return problems


def in_range(message: Any) -> Any:
    """``message`` without the fields that hold numbers out of range; itself where there are none."""
    wrong = [path for path, _, _ in _wrong(message, "")]
    if not wrong:
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    for path in wrong:
        *outer, last = path[:-1] if isinstance(path[-1], int) else path
        holder = copy
        for part in outer:
            holder = _field(holder, part).of(holder) if isinstance(part, str) else holder[part]
        _field(holder, str(last)).clear(holder)
    return copy


def _field(message: Any, name: str) -> FieldInfo:
    return message_info(message.DESCRIPTOR.full_name).fields[name]


@cache
def range_of(message: str, field: str, within: str = "") -> Bounds:
    """The range of ``field`` of ``message`` (full name); ``within`` is the field of another message that holds it."""
    own = option_blocks.option(message, field)
    if own is not None:
        return own.bounds
    step = recipe_steps.range_of(message, field)
    if step is not None:
        return step
    return WITHIN.get(f"{within}.{field}") or RANGES.get(message, {}).get(field, ANY)


def _wrong(message: Any, within: str, skip: Sequence[str] = ()) -> Iterator[tuple[Path, Bounds, float]]:
    kind: Descriptor = message.DESCRIPTOR
    for field, value in message.ListFields():
        if field.name in skip:
            continue
        if field.message_type is not None:
            if field.message_type.full_name in DATA + OLD:
                continue
            inside = f"{kind.full_name}.{field.name}"
            for k, one in enumerate(value) if field.is_repeated else ((None, value),):
                prefix: Path = (field.name,) if k is None else (field.name, k)
                for path, bounds, number in _wrong(one, inside):
                    yield (*prefix, *path), bounds, number
        elif field.cpp_type in NUMBERS:
            bounds = range_of(kind.full_name, field.name, within)
            if not field.is_repeated:
                if not bounds.admits(value):
                    yield (field.name,), bounds, value
            elif not _all_in(bounds, value):
                yield from (((field.name, k), bounds, one) for k, one in enumerate(value) if not bounds.admits(one))


def _all_in(bounds: Bounds, values: Sequence[float]) -> bool:
    """Whether all of ``values`` belong, asked quickly: a mean picture has 200,000. May say no although they do."""
    return not values or (math.isfinite(sum(values)) and bounds.admits(min(values)) and bounds.admits(max(values)))
