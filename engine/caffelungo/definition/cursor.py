"""A place among the tokens of a text: what a mistake there looks like, and where reading can go on after it."""

from __future__ import annotations

from caffelungo import wording
from caffelungo.definition.fields import FieldInfo
from caffelungo.definition.tokens import BAD, END, NAME, NUMBER, PUNCTUATION, STRING, Tokens
from caffelungo.definition.tree import Block, LineTable, printable
from caffelungo.errors import Problem
from caffelungo.visible import shortened

MAX_PROBLEMS = 20
"""So many mistakes that are not alike end the reading: what is read is no definition then."""
MAX_PLACES = 1000
"""So many places of mistakes do, too."""
MAX_DEPTH = 64
"""Deepest nesting of blocks; those of Caffe's schema are never half as deep, so this meets unknown fields only."""

_CLOSE = "add the closing brace"
_RECEIVED = 60


class TooManyError(Exception):
    """Enough problems are found."""


class Cursor:
    """The current token, the blocks open around it, and the problems found so far."""

    def __init__(self, text: str, lines: LineTable) -> None:
        tokens = Tokens(text)
        self.text = text
        self.lines = lines
        self.kinds, self.starts, self.ends, self.texts = tokens.kinds, tokens.starts, tokens.ends, tokens.texts
        self.at = 0
        self.problems: list[Problem] = []
        self.met: set[tuple[str | None, ...]] = set()
        self.stack: list[Block] = []

    def problem(self, offset: int, what: str, received: str | None, remedy: str | None, counted: bool = True) -> None:
        """Put a problem to the others; a field of a fork, which is no sign of a wrong file, is not ``counted``."""
        received = printable(shortened(received, _RECEIVED)) if received else received
        self.problems.append(Problem(what, self.lines.locate(offset), received, remedy))
        if counted:
            self.met.add((what, received, remedy))
        if len(self.met) >= MAX_PROBLEMS or len(self.problems) >= MAX_PLACES:
            found = wording.counted(len(self.problems), "mistake")
            self.problems.append(Problem(f"reading stopped after {found}", remedy="fix these first"))
            raise TooManyError

    def unexpected(self, what: str, remedy: str | None = None) -> None:
        kind, text = self.kinds[self.at], self.texts[self.at]
        if kind == END:
            self.problem(self.starts[self.at], what, "the end of the file", remedy)
        elif kind == BAD and text[0] in "\"'":
            self.problem(
                self.starts[self.at], "the string is not closed on its line", text[:40], f"end it with {text[0]}"
            )
        elif kind == BAD:
            shown = f"{printable(text)} (U+{ord(printable(text)):04X})" if not " " < text < "\x7f" else text
            self.problem(self.starts[self.at], "a character that is not allowed here", shown, "delete it")
        else:
            self.problem(self.starts[self.at], what, text[:40], remedy)

    def skip_junk(self, known: dict[str, FieldInfo]) -> None:
        """Go to the next token at which a field of this block, or its end, may begin; past at least one token."""
        self.at += self.kinds[self.at] != END
        while self.kinds[self.at] != END:
            text = self.texts[self.at]
            if self.kinds[self.at] == PUNCTUATION and text in "}>":
                return
            if self.kinds[self.at] == NAME and (text in known or self.opens_ancestor(text) is not None):
                return
            if self.kinds[self.at] == PUNCTUATION and text in "{<":
                self.skip_block()
            else:
                self.at += 1

    def skip_after_name(self) -> None:
        if self.kinds[self.at] == PUNCTUATION and self.texts[self.at] == ":":
            self.at += 1
        self.skip_value()

    def skip_value(self) -> None:
        """Go behind the value (block, list, adjacent strings, one token) that begins at the current token, if any."""
        kind, text = self.kinds[self.at], self.texts[self.at]
        if kind == PUNCTUATION and text in "{<":
            self.skip_block()
        elif kind == PUNCTUATION and text == "[":
            self.skip_list(self.at)
        elif kind == STRING:
            while self.kinds[self.at] == STRING:
                self.at += 1
        elif kind in (NUMBER, BAD) or (
            kind == NAME and not (self.kinds[self.at + 1] == PUNCTUATION and self.texts[self.at + 1] in ":{<")
        ):
            self.at += 1
        if self.kinds[self.at] == PUNCTUATION and self.texts[self.at] in ",;":
            self.at += 1

    def skip_list(self, opening: int) -> None:
        self.at = opening + 1
        while self.kinds[self.at] != END:
            text = self.texts[self.at]
            if self.kinds[self.at] == PUNCTUATION:
                if text in "{<":
                    self.skip_block()
                    continue
                if text in "]}>":
                    self.at += text == "]"
                    return
            self.at += 1

    def skip_block(self) -> None:
        """Go behind the block that opens here, or to where a `layer {` shows that it is never closed."""
        opening, depth = self.at, 0
        while True:
            kind, text = self.kinds[self.at], self.texts[self.at]
            if kind == END or (kind == NAME and depth and self.opens_ancestor(text) is not None):
                if len(self.stack) == 1:
                    self.problem(self.starts[opening], "this brace is never closed", None, _CLOSE)
                return
            if kind == PUNCTUATION and text in "{<":
                depth += 1
                if depth > MAX_DEPTH:
                    self.problem(self.starts[self.at], f"blocks are nested more than {MAX_DEPTH} deep", None, _CLOSE)
                    raise TooManyError
            elif kind == PUNCTUATION and text in "}>":
                depth -= 1
            self.at += 1
            if depth == 0:
                return

    def opens_ancestor(self, name: str) -> int | None:
        """Depth of the enclosing block in which ``name {`` at the current token begins a layer; None if it does not."""
        if name not in ("layer", "layers"):
            return None
        following = self.at + 1 + (self.texts[self.at + 1] == ":")
        if self.texts[following] not in ("{", "<"):
            return None
        for depth in range(len(self.stack) - 2, -1, -1):
            if name in self.stack[depth].info.fields:
                return depth
        return None

    def wrongly_indented(self, block: Block) -> Block | None:
        """The innermost block below ``block`` whose closing brace is in the column of another block's line."""
        for entry in block.fields:
            for value in entry.values:
                if isinstance(value, Block):
                    if below := self.wrongly_indented(value):
                        return below
                    opening, closing = self._indent(value.start), self._indent(value.end - 1)
                    alone = (
                        self.text[self.text.rfind("\n", 0, value.end - 1) + 1 : value.end - 1].isspace() or not closing
                    )
                    if alone and closing < opening:
                        return value
        return None

    def _indent(self, offset: int) -> int:
        line = self.text[self.text.rfind("\n", 0, offset) + 1 : offset + 1].expandtabs()
        return len(line) - len(line.lstrip())
