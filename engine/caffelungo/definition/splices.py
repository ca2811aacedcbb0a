"""Replacements of stretches of a text: apply them, undo them, and follow a place back through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Splice:
    """The characters from ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: str


def apply_splices(text: str, splices: Iterable[Splice]) -> str:
    """``text`` with all ``splices`` made; their offsets are those of ``text``, and they do not overlap.

    Insertions at one place keep their order.
    """
    parts: list[str] = []
    at = 0
    for splice in sorted(splices, key=lambda item: (item.start, item.end)):
        if splice.start < at:
            raise ValueError(f"overlapping replacements at {splice.start}")
        parts += (text[at : splice.start], splice.text)
        at = splice.end
    parts.append(text[at:])
    return "".join(parts)


def inverse(text: str, splices: Iterable[Splice]) -> list[Splice]:
    """The splices that turn ``apply_splices(text, splices)`` back into ``text``."""
    result, shift = [], 0
    for splice in sorted(splices, key=lambda item: (item.start, item.end)):
        start = splice.start + shift
        result.append(Splice(start, start + len(splice.text), text[splice.start : splice.end]))
        shift += len(splice.text) - (splice.end - splice.start)
    return _joined(result)


def _joined(splices: Sequence[Splice]) -> list[Splice]:
    """Touching splices as one, so that their order never matters."""
    result: list[Splice] = []
    for splice in splices:
        if result and result[-1].end == splice.start:
            last = result.pop()
            splice = Splice(last.start, splice.end, last.text + splice.text)
        result.append(splice)
    return result


def origin(offset: int, splices: Iterable[Splice]) -> int:
    """The offset in the text before ``splices`` of the character at ``offset`` after them.

    A character that a splice brought comes from where the splice was made.
    """
    shift = 0
    for splice in sorted(splices, key=lambda item: (item.start, item.end)):
        start = splice.start + shift
        if offset < start:
            break
        if offset < start + len(splice.text):
            return splice.start
        shift += len(splice.text) - (splice.end - splice.start)
    return offset - shift


def narrowed(text: str, splice: Splice) -> Splice:
    """The same change without the words that stay the same at its beginning and the characters at its end."""
    old, new = text[splice.start : splice.end], splice.text
    shortest = min(len(old), len(new))
    head = 0
    while head < shortest and old[head] == new[head]:
        head += 1
    while head and (old[head - 1].isalnum() or old[head - 1] == "_"):
        head -= 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return Splice(splice.start + head, splice.end - tail, new[head : len(new) - tail])
