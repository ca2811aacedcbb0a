"""Tokens -> concrete syntax tree and message, in one walk that goes on after a mistake and reports all of them.

The grammar is protobuf's text format. After a mistake inside a field reading goes on behind it; where a brace was never
closed, at the next `layer {`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NoReturn

from caffelungo.definition import suggestions
from caffelungo.definition.fields import FieldInfo, MessageInfo, message_info
from caffelungo.definition.tokens import BAD, END, NAME, NUMBER, PUNCTUATION, STRING, Tokens
from caffelungo.definition.tree import Block, Document, Field, LineTable, Scalar, printable
from caffelungo.definition.values import BadValue, read_string, read_value
from caffelungo.errors import Problem, UserError

MAX_DEPTH = 64
MAX_CHARACTERS = 64 * 2**20
MAX_PROBLEMS = 20

_CLOSING = {"{": "}", "<": ">"}


class _TooMany(Exception):
    """Enough problems are found."""


class _Resume(Exception):
    """A block was never closed; reading goes on at the current token in the block at ``depth``."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth


def parse(text: str, message: Any, lines: LineTable, partial: bool = False) -> Document:
    """The tree of ``text``, whose fields are put into the empty ``message``; ``partial``: required fields may lack.

    Raises UserError listing every mistake (the first ``MAX_PROBLEMS``), each with its place in ``lines``.
    """
    if len(text) > MAX_CHARACTERS:
        raise UserError(
            "the definition is too large",
            where=lines.locate(0),
            received=f"{len(text) / 2**20:.0f} million characters",
            remedy=f"text files may have {MAX_CHARACTERS // 2**20} million characters; keep weights in a .caffemodel",
        )
    parser = _Parser(text, lines, partial)
    document = parser.document(message)
    if parser.problems:
        raise UserError(parser.problems)
    return document


class _Parser:
    def __init__(self, text: str, lines: LineTable, partial: bool) -> None:
        self.partial = partial
        tokens = Tokens(text)
        self.text = text
        self.lines = lines
        self.kinds, self.starts, self.ends, self.texts = tokens.kinds, tokens.starts, tokens.ends, tokens.texts
        self.at = 0
        self.problems: list[Problem] = []
        self.stack: list[Block] = []

    def document(self, message: Any) -> Document:
        root = Block(message_info(message.DESCRIPTOR.full_name), 0, len(self.text))
        with suppress(_TooMany):
            self._fields(root, message, "")
        return Document(self.text, root)

    # Reporting

    def _problem(self, offset: int, what: str, received: str | None, remedy: str | None) -> None:
        received = printable(received) if received else received
        self.problems.append(Problem(what, self.lines.locate(offset), received, remedy))
        if len(self.problems) >= MAX_PROBLEMS:
            self.problems.append(Problem(f"reading stopped after {MAX_PROBLEMS} mistakes", remedy="mend these first"))
            raise _TooMany

    def _unexpected(self, what: str, remedy: str | None = None) -> None:
        kind, text = self.kinds[self.at], self.texts[self.at]
        if kind == END:
            self._problem(self.starts[self.at], what, "the end of the file", remedy)
        elif kind == BAD and text[0] in "\"'":
            self._problem(
                self.starts[self.at], "the string is not closed on its line", text[:40], f"end it with {text[0]}"
            )
        elif kind == BAD:
            shown = f"{printable(text)} (U+{ord(printable(text)):04X})" if not " " < text < "\x7f" else text
            self._problem(self.starts[self.at], "a character that no definition may have here", shown, "delete it")
        else:
            self._problem(self.starts[self.at], what, text[:40], remedy)

    # Blocks

    def _fields(self, block: Block, message: Any, close: str) -> None:
        """Read fields into ``block`` up to the brace ``close`` (or the end of the text for the root)."""
        kinds, starts, texts = self.kinds, self.starts, self.texts
        known = block.info.fields
        self.stack.append(block)
        try:
            while True:
                at = self.at
                if kinds[at] == NAME:
                    info = known.get(texts[at])
                    if info is None:
                        self._unknown(block)
                        continue
                    self.at = at + 1
                    try:
                        entry = self._field(info, message, starts[at], block)
                    except _Resume as resume:
                        if resume.depth != len(self.stack) - 1:
                            raise
                        continue
                    if entry is not None:
                        block.fields.append(entry)
                    if kinds[self.at] == PUNCTUATION and texts[self.at] in ",;":
                        self.at += 1
                    continue
                if kinds[at] == END:
                    if close:
                        self._unclosed(block, 0)
                    return
                if kinds[at] == PUNCTUATION and texts[at] in "}>":
                    self.at = at + 1
                    if not close:
                        self._problem(starts[at], "this brace closes nothing", texts[at], "delete it")
                        continue
                    if texts[at] != close:
                        self._problem(starts[at], f"the block is closed by the wrong brace, not by {close}", texts[at],
                                      f"write {close}")  # fmt: skip
                    block.end = self.ends[at]
                    self._required(block, message)
                    return
                self._unexpected("expected the name of a field")
                self._skip_junk(known)
        finally:
            self.stack.pop()

    def _skip_junk(self, known: dict[str, FieldInfo]) -> None:
        """Go to the next token at which a field of this block, or its end, may begin; past at least one token."""
        self.at += self.kinds[self.at] != END
        while self.kinds[self.at] != END:
            text = self.texts[self.at]
            if self.kinds[self.at] == PUNCTUATION and text in "}>":
                return
            if self.kinds[self.at] == NAME and (text in known or self._opens_ancestor(text) is not None):
                return
            if self.kinds[self.at] == PUNCTUATION and text in "{<":
                self._skip_block()
            else:
                self.at += 1

    def _required(self, block: Block, message: Any) -> None:
        missing = [name for name in block.info.required if not message.HasField(name)]
        if missing and not self.partial:
            self._problem(
                block.start, f"{block.info.name} lacks {' and '.join(missing)}", None,
                f"add {' '.join(f'{name}: ...' for name in missing)}",
            )  # fmt: skip

    def _unclosed(self, block: Block, depth: int) -> NoReturn:
        """Report a block that is never closed, at its opening brace, and go on in the block at ``depth``."""
        inner = self.stack[depth + 1 :]
        suspect = self._wrongly_indented(inner[0]) or inner[-1]
        self._problem(suspect.start, "this brace is never closed", None, "add the closing brace")
        raise _Resume(depth)

    def _wrongly_indented(self, block: Block) -> Block | None:
        """The innermost block below ``block`` whose closing brace stands in the column of another block's line."""
        for entry in block.fields:
            for value in entry.values:
                if isinstance(value, Block):
                    if below := self._wrongly_indented(value):
                        return below
                    opening, closing = self._indent(value.start), self._indent(value.end - 1)
                    alone = self.text[self.text.rfind("\n", 0, value.end - 1) + 1 : value.end - 1].isspace() or not closing
                    if alone and closing < opening:
                        return value
        return None

    def _indent(self, offset: int) -> int:
        line = self.text[self.text.rfind("\n", 0, offset) + 1 : offset + 1].expandtabs()
        return len(line) - len(line.lstrip())

    # Fields

    def _field(self, info: FieldInfo, message: Any, start: int, block: Block) -> Field | None:
        """Read what follows a field's name; None after a mistake."""
        kinds, texts = self.kinds, self.texts
        colon = texts[self.at] == ":" and kinds[self.at] == PUNCTUATION
        if colon:
            self.at += 1
        if not info.repeated and message.HasField(info.name):
            self._duplicate(info, start, block)
            message.ClearField(info.name)
        opening = texts[self.at] if kinds[self.at] == PUNCTUATION else ""
        if opening == "[":
            return self._list(info, message, start, colon)
        if info.kind == "message":
            if opening not in ("{", "<"):
                self._unexpected(f"expected {{ after `{info.name}`", f"write {info.name} {{ ... }}")
                self._skip_value()
                return None
            value: Scalar | Block = self._block(info, message, opening)
        elif not colon:
            remedy = f"`{info.name}` is no block; write {info.name}: ..." if opening else f"write {info.name}: ..."
            self._unexpected(f"expected : after `{info.name}`", remedy)
            self._skip_value()
            return None
        else:
            scalar = self._scalar(info, message, block.info)
            if scalar is None:
                return None
            value = scalar
        return Field(info, start, value.end, [value], False)

    def _duplicate(self, info: FieldInfo, start: int, block: Block) -> None:
        first = next((entry for entry in block.fields if entry.info is info), None)
        line = self.lines.locate(first.start).line if first else None
        again = f"; it stands on line {line} already" if line else ""
        remedy = "put all of it into one block" if info.kind == "message" else "keep one of them"
        self._problem(start, f"`{info.name}` may stand only once in {block.info.name}{again}", None, remedy)

    def _block(self, info: FieldInfo, message: Any, opening: str) -> Block:
        start = self.starts[self.at]
        block = Block(info.message, start, start)
        if len(self.stack) > MAX_DEPTH:
            self._problem(start, f"blocks are nested more than {MAX_DEPTH} deep", None, "close some of them")
            raise _TooMany
        self.at += 1
        if info.repeated:
            below = getattr(message, info.name).add()
        else:
            below = getattr(message, info.name)
            below.SetInParent()
        self._fields(block, below, _CLOSING[opening])
        return block

    def _scalar(self, info: FieldInfo, message: Any, around: MessageInfo) -> Scalar | None:
        at = self.at
        kind, text = self.kinds[at], self.texts[at]
        try:
            if info.kind in ("string", "bytes"):
                if kind != STRING:
                    raise BadValue(f"`{info.name}` takes a string in quotes", _quoted(text) if kind == NAME else None)
                literals = [text]
                while self.kinds[self.at + 1] == STRING:
                    self.at += 1
                    literals.append(self.texts[self.at])
                value = read_string(info, literals)
            elif kind in (NAME, NUMBER, STRING):
                value = read_value(info, kind, text)
            else:
                raise BadValue(f"expected a value of `{info.name}`")
        except BadValue as error:
            remedy = suggestions.layer_type(around.name, info.name, text) or error.remedy
            if kind in (NAME, NUMBER, STRING):
                self._problem(self.starts[at], error.what, text[:60], remedy)
                self.at += 1
            else:
                self._unexpected(error.what, remedy)
                self._skip_value()
            return None
        self.at += 1
        if info.repeated:
            getattr(message, info.name).append(value)
        else:
            setattr(message, info.name, value)
        return Scalar(self.starts[at], self.ends[self.at - 1], value)

    def _list(self, info: FieldInfo, message: Any, start: int, colon: bool) -> Field | None:
        opening = self.at
        if not info.repeated or not (colon or info.kind == "message"):
            self._unexpected(f"`{info.name}` takes no list" if colon else f"expected : after `{info.name}`",
                             f"write {info.name}: ... with one value" if colon else f"write {info.name}: [...]")  # fmt: skip
            self._skip_value()
            return None
        self.at += 1
        values: list[Scalar | Block] = []
        while not (self.kinds[self.at] == PUNCTUATION and self.texts[self.at] == "]" and not values):
            value = self._list_value(info, message)
            if value is None:
                self._skip_list(opening)
                return None
            values.append(value)
            text = self.texts[self.at] if self.kinds[self.at] == PUNCTUATION else ""
            if text == "]":
                break
            if text != ",":
                self._unexpected("expected , or ] in a list", "write [a, b]")
                self._skip_list(opening)
                return None
            self.at += 1
        self.at += 1
        return Field(info, start, self.ends[self.at - 1], values, True)

    def _list_value(self, info: FieldInfo, message: Any) -> Scalar | Block | None:
        if info.kind != "message":
            return self._scalar(info, message, self.stack[-1].info)
        opening = self.texts[self.at] if self.kinds[self.at] == PUNCTUATION else ""
        if opening not in ("{", "<"):
            self._unexpected(f"expected {{ in the list of `{info.name}`")
            return None
        return self._block(info, message, opening)

    # Going on after a mistake

    def _unknown(self, block: Block) -> None:
        name, start = self.texts[self.at], self.starts[self.at]
        depth = self._opens_ancestor(name)
        if depth is not None:
            self._unclosed(block, depth)
        what, remedy = suggestions.unknown_field(block.info, name, [outer.info for outer in self.stack[:-1]])
        self._problem(start, what, name, remedy)
        self.at += 1
        if self.kinds[self.at] == PUNCTUATION and self.texts[self.at] == ":":
            self.at += 1
        self._skip_value()

    def _opens_ancestor(self, name: str) -> int | None:
        """Depth of the enclosing block of which ``name {`` at the current token begins a `layer`; None if it does not."""
        if name not in ("layer", "layers"):
            return None
        following = self.at + 1 + (self.texts[self.at + 1] == ":")
        if self.texts[following] not in ("{", "<"):
            return None
        for depth in range(len(self.stack) - 2, -1, -1):
            if name in self.stack[depth].info.fields:
                return depth
        return None

    def _skip_value(self) -> None:
        """Go behind the value (a block, a list, adjacent strings, one token) that begins at the current token, if one does."""
        kind, text = self.kinds[self.at], self.texts[self.at]
        if kind == PUNCTUATION and text in "{<":
            self._skip_block()
        elif kind == PUNCTUATION and text == "[":
            self._skip_list(self.at)
        elif kind == STRING:
            while self.kinds[self.at] == STRING:
                self.at += 1
        elif kind in (NUMBER, BAD):
            self.at += 1
        elif kind == NAME and not (self.kinds[self.at + 1] == PUNCTUATION and self.texts[self.at + 1] in ":{<"):
            self.at += 1
        if self.kinds[self.at] == PUNCTUATION and self.texts[self.at] in ",;":
            self.at += 1

    def _skip_list(self, opening: int) -> None:
        self.at = opening + 1
        while self.kinds[self.at] != END:
            text = self.texts[self.at]
            if self.kinds[self.at] == PUNCTUATION:
                if text in "{<":
                    self._skip_block()
                    continue
                if text in "]}>":
                    self.at += text == "]"
                    return
            self.at += 1

    def _skip_block(self) -> None:
        """Go behind the block that opens at the current token, or to where a `layer {` shows that it is never closed."""
        opening, depth = self.at, 0
        while True:
            kind, text = self.kinds[self.at], self.texts[self.at]
            if kind == END or (kind == NAME and depth and self._opens_ancestor(text) is not None):
                if len(self.stack) == 1:
                    self._problem(self.starts[opening], "this brace is never closed", None, "add the closing brace")
                return
            if kind == PUNCTUATION and text in "{<":
                depth += 1
            elif kind == PUNCTUATION and text in "}>":
                depth -= 1
            self.at += 1
            if depth == 0:
                return


def _quoted(text: str) -> str:
    return f'write "{text}"'
