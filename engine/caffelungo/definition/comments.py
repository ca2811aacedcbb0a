"""Comments of a stretch of text, for the rewrites that take fields apart and must not lose what is beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from caffelungo.definition import layout
from caffelungo.definition.splices import Splice
from caffelungo.definition.tokens import Tokens
from caffelungo.definition.tree import Block, Field

_COMMENT = re.compile(r"#[^\r\n]*")


def comments_between(text: str, start: int, end: int) -> list[str]:
    """The comments of ``text[start:end]``, a stretch of whole tokens, without those inside strings."""
    tokens, result, at = Tokens(text[start:end]), [], 0
    for begin, finish in zip(tokens.starts, tokens.ends, strict=True):
        result += [match[0].rstrip() for match in _COMMENT.finditer(text, start + at, start + begin)]
        at = finish
    return result


def dropped(text: str, entry: Field) -> Splice:
    """Removes a field; comments inside it and behind it on its line stay."""
    start, end = entry.start, layout.behind_separator(text, entry.end)
    behind = layout.behind_line(text, end)
    inside = comments_between(text, start, end)
    if not layout.starts_line(text, start) or behind is None:
        kept = "\n".join(inside) + "\n" if inside else ""
        rest = text[end:]
        return Splice(start, end + len(rest) - len(rest.lstrip(" \t")), kept)
    comments = inside + comments_between(text, end, behind)
    if not comments:
        return Splice(layout.line_start(text, start), behind, "")
    newline = "\r\n" if text[:behind].endswith("\r\n") else "\n" if text[:behind].endswith("\n") else ""
    indent = layout.indent_of(text, start)
    return Splice(start, behind, f"{newline or chr(10)}{indent}".join(comments) + newline)


@dataclass
class Piece:
    """A field with its comments: ``lead`` is on the lines above it, ``tail`` behind it on its line."""

    entry: Field
    lead: list[str]
    tail: str = ""
    inside: list[str] = field(default_factory=list)


def pieces(text: str, block: Block) -> tuple[list[Piece], list[str]]:
    """The fields of ``block`` with their comments, and the comments before its closing brace."""
    result: list[Piece] = []
    at = block.start + 1
    for entry in block.fields:
        tail, lead = _trivia(text[at : entry.start], bool(result))
        if tail:
            result[-1].tail = tail
        result.append(Piece(entry, lead))
        at = entry.end
    tail, closing = _trivia(text[at : block.end - 1], bool(result))
    if tail:
        result[-1].tail = tail
    return result, closing


def _trivia(text: str, has_previous: bool) -> tuple[str, list[str]]:
    """The comment on the rest of the line that ``text`` begins in, and the comments on the lines behind."""
    first, newline, rest = text.partition("\n")
    head = [match[0].rstrip() for match in _COMMENT.finditer(first)]
    behind = [match[0].rstrip() for match in _COMMENT.finditer(rest)] if newline else []
    if has_previous and head:
        return head[0], behind
    return "", head + behind
