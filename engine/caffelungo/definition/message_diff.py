"""What differs between two messages of one kind, a line a field, by the names in the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from caffelungo.definition.fields import message_info
from caffelungo.definition.values import print_value

LONGEST = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Change:
    """``path`` as ``lungo.keep_last``, ``layer `fc8`: param.lr_mult``; None for what is not there."""

    path: str
    was: str | None
    now: str | None

    def __str__(self) -> str:
        if self.was is None:
            return f"{self.path} is new"
        return f"{self.path} is gone" if self.now is None else f"{self.path} is {self.now}, was {self.was}"


def changes(was: Any, now: Any) -> list[Change]:
    """Every field whose value differs, in the order of the schema. A field that is not set has its default value.

    Layers of nets are matched by name; what they are listed after does not count.
    """
    return list(_message(was, now, ""))


def _message(was: Any, now: Any, before: str) -> Iterator[Change]:
    for info in message_info(was.DESCRIPTOR.full_name).fields.values():
        field = info.descriptor
        old, new = info.of(was), info.of(now)
        path = f"{before}{field.name}"
        if field.message_type is None:
            if old != new:
                repeated = hasattr(old, "append")
                yield Change(path, *(_shown(info, value, repeated) for value in (old, new)))
        elif not hasattr(old, "add"):
            if info.given(was) or info.given(now):
                yield from _message(old, new, f"{path}.")
        elif field.message_type.name == "LayerParameter":
            yield from _layers(old, new, before)
        else:
            for index in range(max(len(old), len(new))):
                place = path if max(len(old), len(new)) == 1 else f"{path}[{index}]"
                if index < min(len(old), len(new)):
                    yield from _message(old[index], new[index], f"{place}.")
                else:
                    yield Change(place, "there" if index < len(old) else None, "there" if index < len(new) else None)


def _layers(old: Any, new: Any, before: str) -> Iterator[Change]:
    """By name, and where several have one name, by the order of those."""
    sides: list[dict[tuple[str, int], Any]] = []
    for layers in (old, new):
        found: dict[tuple[str, int], Any] = {}
        for layer in layers:
            name = str(layer.name)
            found[name, sum(known == name for known, _ in found)] = layer
        sides.append(found)
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        place = f"{before}layer `{key[0]}`"
        if key in sides[0] and key in sides[1]:
            yield from _message(sides[0][key], sides[1][key], f"{place}: ")
        else:
            yield Change(place, "there" if key in sides[0] else None, "there" if key in sides[1] else None)


def _shown(info: Any, value: Any, repeated: bool) -> str:
    text = ", ".join(print_value(info, one) for one in value) if repeated else print_value(info, value)
    text = text or "not given"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
