"""How a definition is laid out: line ends, indentation, the stretch of each layer; and printing alike."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from caffelungo.definition import printer
from caffelungo.definition.fields import FieldInfo
from caffelungo.definition.tokens import BYTE_ORDER_MARK
from caffelungo.definition.tree import Block, Document, Field
from caffelungo.definition.values import print_value

_SEPARATOR = re.compile(r"(?:[ \t\r\n\v\f]|#[^\n]*\n)*+[,;]")
_REST_OF_LINE = re.compile(r"[ \t\r\v\f]*(?:#[^\n]*)?(?:\n|\Z)")
_LEADING = re.compile(r"[ \t]*")
_SAMPLE = 64


@dataclass(frozen=True)
class Layout:
    """``newline``, ``unit`` (the indentation of one level), ``inline``: small messages are on one line."""

    newline: str = "\n"
    unit: str = printer.INDENT
    inline: bool = False

    def block(self, message: Any, indent: str, one_line: bool) -> str:
        """``message`` in braces; lines after the first are indented by ``indent``."""
        if one_line:
            inside = printer.print_one_line(message)
            return f"{{ {inside} }}" if inside else "{ }"
        lines = [self._line(line, indent + self.unit) for line in printer.print_lines(message, self.inline)]
        return self.newline.join(["{", *lines, f"{indent}}}"])

    def field(self, info: FieldInfo, value: Any, indent: str, one_line: bool) -> str:
        """The field ``info`` with ``value``, without indentation before its first line."""
        if info.kind == "message":
            return f"{info.name} {self.block(value, indent, one_line)}"
        return f"{info.name}: {print_value(info, value)}"

    def _line(self, line: str, indent: str) -> str:
        body = line.lstrip(" ")
        return indent + self.unit * ((len(line) - len(body)) // len(printer.INDENT)) + body


def layout_of(document: Document) -> Layout:
    """The layout most blocks of ``document`` have."""
    text = document.text
    units: Counter[str] = Counter()
    small: Counter[bool] = Counter()
    blocks = [document.root]
    for block in blocks:
        for entry in block.fields:
            for value in entry.values:
                if isinstance(value, Block) and len(blocks) < _SAMPLE:
                    blocks.append(value)
                    if block is not document.root and not any(field.info.kind == "message" for field in value.fields):
                        small[is_one_line(text, value)] += 1
                    if unit := unit_of(text, value):
                        units[unit] += 1
    unit = units.most_common(1)[0][0] if units else printer.INDENT
    return Layout("\r\n" if "\r\n" in text else "\n", unit, small[True] > small[False])


def unit_of(text: str, block: Block) -> str | None:
    """How much further than its own line ``block`` indents its fields; None if it does not."""
    outer = indent_of(text, block.start)
    for entry in block.fields:
        if starts_line(text, entry.start):
            inner = indent_of(text, entry.start)
            return inner[len(outer) :] if inner.startswith(outer) and len(inner) > len(outer) else None
    return None


def line_start(text: str, offset: int) -> int:
    """Offset of the first character of the line of ``offset`` (behind a byte order mark)."""
    start = text.rfind("\n", 0, offset) + 1
    return start + (start == 0 and text.startswith(BYTE_ORDER_MARK))


def indent_of(text: str, offset: int) -> str:
    """The white space that the line of ``offset`` begins with."""
    match = _LEADING.match(text, line_start(text, offset))
    return match[0] if match else ""


def starts_line(text: str, offset: int) -> bool:
    """Whether only white space precedes ``offset`` on its line."""
    return not text[line_start(text, offset) : offset].strip(" \t")


def behind_separator(text: str, offset: int) -> int:
    """``offset``, or the place behind the comma or semicolon that follows there."""
    match = _SEPARATOR.match(text, offset)
    return match.end() if match else offset


def behind_line(text: str, offset: int) -> int | None:
    """Behind the end of the line, if only white space and a comment follow ``offset`` on it; else None."""
    match = _REST_OF_LINE.match(text, offset)
    return match.end() if match else None


def is_one_line(text: str, block: Block) -> bool:
    """Whether ``block`` opens and closes on one line."""
    return "\n" not in text[block.start : block.end]


def with_comments(text: str, start: int) -> int:
    """The start of the comment lines directly above the line of ``start``; the one that opens the file stays apart."""
    top = line = line_start(text, start)
    while line > 0:
        above = line_start(text, line - 1)
        if above >= line or not text[above:line].lstrip(" \t").startswith("#"):
            return line
        line = above
    return top


def spans(document: Document, name: str) -> list[tuple[int, int]]:
    """The stretch of the text of each value of the root's field ``name``: whole lines and comments above, if it can be.

    No field may be written as a list.
    """
    text, result, last = document.text, [], 0
    for entry, _ in document.root.values(name):
        start, end = span(text, entry)
        result.append((max(start, last), end))
        last = end
    return result


def span(text: str, entry: Field) -> tuple[int, int]:
    """The stretch of the text that goes with a field: its lines and the comments directly above, else just itself."""
    start, end = entry.start, behind_separator(text, entry.end)
    behind = behind_line(text, end)
    if starts_line(text, start):
        start = with_comments(text, start)
    if behind is not None:
        return start, behind
    return start, end + len(text[end:]) - len(text[end:].lstrip(" \t"))
