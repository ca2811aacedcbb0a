"""The concrete syntax tree of a definition: spans over a text that is kept as it is, so that nothing is ever lost.

A ``Document`` holds the text and one root ``Block``; a ``Block`` holds ``Field``s; a ``Field`` holds its values:
``Scalar``s or ``Block``s, one or (written as a list in brackets) several. Offsets count characters of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from caffelungo.definition.fields import FieldInfo, MessageInfo
from caffelungo.errors import Location

PathPart = str | int

_BYTE = re.compile("[\udc80-\udcff]")


def printable(text: str) -> str:
    """``text`` with bytes that were not UTF-8 (kept as lone surrogates) shown as Latin-1 characters."""
    return _BYTE.sub(lambda byte: chr(ord(byte[0]) - 0xDC00), text)


@dataclass(slots=True, eq=False)
class Scalar:
    """A value that is no message: its span and what it means."""

    start: int
    end: int
    value: Any


@dataclass(slots=True, eq=False)
class Block:
    """A message: from its opening brace to behind the closing one (the root: the whole text)."""

    info: MessageInfo
    start: int
    end: int
    fields: list[Field] = field(default_factory=list)
    _index: dict[str, list[tuple[Field, int]]] | None = None

    def values(self, name: str) -> list[tuple[Field, int]]:
        """All values of the field ``name`` in order, each as its ``Field`` and its index there."""
        if self._index is None:
            index: dict[str, list[tuple[Field, int]]] = {}
            for entry in self.fields:
                index.setdefault(entry.info.name, []).extend((entry, i) for i in range(len(entry.values)))
            self._index = index
        return self._index.get(name, [])


@dataclass(slots=True, eq=False)
class Field:
    """A field as written: from the first character of its name to behind its value (a separator is not part of it)."""

    info: FieldInfo
    start: int
    end: int
    values: list[Scalar | Block]
    listed: bool


class LineTable:
    """Offsets of a text -> lines and columns, both counted from 1."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts: list[int] | None = None
        self._last: tuple[int, str] | None = None

    def _lines(self) -> list[int]:
        if self._starts is None:
            starts, at = [0], self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._starts = starts
        return self._starts

    def locate(self, offset: int) -> Location:
        """The place of the character at ``offset``."""
        starts = self._lines()
        line = bisect_right(starts, offset) - 1
        start = starts[line]
        end = starts[line + 1] if line + 1 < len(starts) else len(self.text)
        if self._last is None or self._last[0] != line:  # a line may be long, and have many mistakes
            self._last = line, printable(self.text[start:end].rstrip("\r\n"))
        return Location(self.file, line + 1, offset - start + 1, self._last[1])


@dataclass(slots=True, eq=False)
class Document:
    """A text and its tree."""

    text: str
    root: Block

    def find(self, path: Iterable[PathPart]) -> int:
        """Offset of the value at ``path`` (a message's field name); of what is nearest around it if it is absent."""
        parts = list(path)
        blocks, offset = [self.root], 0
        while parts:
            name = parts.pop(0)
            if len(blocks) == 1:  # as a rule; its list, which may be long, is not copied
                entries = blocks[0].values(str(name))
            else:
                entries = [pair for block in blocks for pair in block.values(str(name))]
            if entries and entries[0][0].info.repeated and parts and isinstance(parts[0], int):
                index = parts.pop(0)
                assert isinstance(index, int)
                entries = entries[index : index + 1] if index >= 0 else []
            if not entries:
                return offset
            entry, index = entries[0]
            value = entry.values[index]
            if not isinstance(value, Block):
                return value.start
            offset = value.start if entry.listed else entry.start
            blocks = [v for e, i in entries if isinstance(v := e.values[i], Block)]
        return offset
