"""Text -> tokens of protobuf's text format. White space and comments stay where they are: between the tokens."""

from __future__ import annotations

import re

NAME, NUMBER, STRING, PUNCTUATION, END, BAD = range(1, 7)

_TOKEN = re.compile(
    r"""
    [ \t\r\n\v\f]*+ (?: \#[^\n]*+ [ \t\r\n\v\f]*+ )*+
    (?: ([A-Za-z_][A-Za-z0-9_]*+)
      | ( [+-]?+ [ \t]*+ \.?+ [0-9] (?: [eE][+-][0-9] | [0-9A-Za-z_.] )*+ | -[ \t]*+[A-Za-z_][A-Za-z0-9_]*+ )
      | ( "(?: [^"\\\n]++ | \\. )*+" | '(?: [^'\\\n]++ | \\. )*+' )
      | ([{}<>\[\]:,;])
      | (\Z)
      | ( ["'][^\n]*+ | . )
    )""",
    re.VERBOSE,
)

BYTE_ORDER_MARK = "\ufeff"


class Tokens:
    """The tokens of one text as parallel lists; the last one is END. Offsets count characters of the text."""

    __slots__ = ("ends", "kinds", "starts", "texts")

    def __init__(self, text: str) -> None:
        self.kinds: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.texts: list[str] = []
        for match in _TOKEN.finditer(text, 1 if text.startswith(BYTE_ORDER_MARK) else 0):
            kind = match.lastindex or END
            start, end = match.span(kind)
            self.kinds.append(kind)
            self.starts.append(start)
            self.ends.append(end)
            self.texts.append(match.group(kind))
            if kind == END:
                break
