"""The classifiers of a net that answers for several tasks: ``lungo.TaskHead`` by the name of its layer. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from caffelungo.errors import Location, UserError, did_you_mean

Heads = dict[str, Any]
"""``lungo.TaskHead`` by the name of its layer, in the order in which they were added."""


def heads_of(*extras: Any, layers: Iterable[str] | None = None) -> Heads:
    """The heads that ``extras`` (``lungo.NetExtras`` or None) name; what is earlier takes precedence.

    ``layers`` are those that the net has (None: all); heads of others are left out.
    """
    there = None if layers is None else set(layers)
    found: Heads = {}
    for one in extras:
        for head in one.head if one is not None else ():
            if there is not None and head.name not in there:
                continue
            if head.name not in found or not found[head.name].label:
                found[head.name] = head
    return found


def described(head: Any) -> str:
    """A head for people: its layer, and its task where that is called otherwise."""
    return f"`{head.name}`" + (f" ({head.task})" if head.task and head.task != head.name else "")


def find(heads: Mapping[str, Any], word: str, file: str = "") -> Any:
    """The head whose layer or task is called ``word``; UserError with those that there are."""
    for head in heads.values():
        if word in (head.name, head.task):
            return head
    near = did_you_mean(word, [one for head in heads.values() for one in (head.name, head.task)])
    there = ", ".join(described(head) for head in heads.values())
    raise UserError(
        f"no classifier or task is called `{word}`",
        where=Location(file) if file else None,
        received=f"--head {word}",
        remedy=(f"did you mean `{near}`? " if near else "")
        + (f"there are {there}" if heads else "leave --head out: the net names no heads"),
    )
