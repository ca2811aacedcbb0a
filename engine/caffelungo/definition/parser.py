"""Tokens -> concrete syntax tree and message, in one walk that goes on after a mistake and reports all of them.

The grammar is protobuf's text format. After a mistake inside a field reading goes on behind it; where a brace was never
closed, at the next `layer {`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from caffelungo.definition import typography, unknown_names
from caffelungo.definition.cursor import Cursor, TooManyError
from caffelungo.definition.faults import Fault, Harm
from caffelungo.definition.fields import FieldInfo, MessageInfo, message_info
from caffelungo.definition.forks import costs_nothing, fork_of
from caffelungo.definition.schema import message_class
from caffelungo.definition.tokens import END, NAME, NUMBER, PUNCTUATION, STRING
from caffelungo.definition.tree import Block, Document, Field, LineTable, Scalar
from caffelungo.definition.values import BadValueError, read_string, read_value
from caffelungo.errors import Problem, UserError, grouped

MAX_CHARACTERS = 16 * 2**20
"""Longest text that is read; its tokens take about sixty bytes a character while it is."""

_NOWHERE = -1
"""Start of a block whose opening brace is missing in the text."""

_CLOSING = {"{": "}", "<": ">"}

_ROOTS = ("NetParameter", "SolverParameter", "Recipe")
_STATES = ("NetStateRule", "NetState")
"""Messages whose fields say which layers there are."""
_WIRING = (*_ROOTS, "LayerParameter", "V1LayerParameter", "V0LayerParameter", *_STATES)
"""Messages whose fields say which layers there are and what they read and make."""


@dataclass(frozen=True)
class ForeignField(Problem):
    """What would be said of a field (``received``) that ``message`` does not have here."""

    message: str = ""


@dataclass(frozen=True)
class Unknown:
    """A field that no message of ours has: its span in the text, and what would be said of it."""

    start: int
    end: int
    problem: ForeignField


class _ResumeError(Exception):
    """A block was never closed; reading goes on at the current token in the block at ``depth``."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth


def parse(
    text: str,
    message: Any,
    lines: LineTable,
    partial: bool = False,
    unknown: list[Unknown] | None = None,
    faults: list[Fault] | None = None,
) -> Document:
    """The tree of ``text``, whose fields are put into the empty ``message``; ``partial``: required fields may lack.

    Raises UserError listing every mistake (the first ``MAX_PROBLEMS``, alike ones counted and reported as one), each
    with its place in ``lines``. Fields of forks, and all that layers do not have, are put into the list ``unknown``,
    where one is given, rather than raised. ``faults`` takes the parts of the text that could not be read.
    """
    if len(text) > MAX_CHARACTERS:
        raise UserError(
            "the definition is too large",
            where=lines.locate(0),
            received=f"{len(text) / 2**20:.0f} million characters",
            remedy=f"text files may have {MAX_CHARACTERS // 2**20} million characters; keep weights in a .caffemodel",
        )
    readable, foreign = typography.mended(text)
    parser = _Parser(readable, lines, partial, unknown, [] if faults is None else faults)
    document = parser.document(message)
    problems = [typography.problem(text, foreign, lines)] if foreign else []
    if problems or parser.problems:
        raise UserError(grouped([*problems, *parser.problems]))
    return document


class _Parser(Cursor):
    def __init__(
        self, text: str, lines: LineTable, partial: bool, unknown: list[Unknown] | None, faults: list[Fault]
    ) -> None:
        super().__init__(text, lines)
        self.partial, self.unknown, self.faults = partial, unknown, faults
        self.twice: set[int] = set()

    def _fault(self, block: Block, start: int, end: int, lost: bool = False, instead: str = "") -> None:
        name = block.info.name
        lost = lost or name in _WIRING
        self.faults.append(Fault(start, end, Harm.FIELD, name not in _ROOTS, lost, name in _STATES, instead))

    def document(self, message: Any) -> Document:
        root = Block(message_info(message.DESCRIPTOR.full_name), 0, len(self.text))
        with suppress(TooManyError):
            self._fields(root, message, "")
        return Document(self.text, root)

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
                    except _ResumeError as resume:
                        if resume.depth != len(self.stack) - 1:
                            raise
                        self._fault(block, starts[at], starts[self.at], lost=True)
                        continue
                    if entry is not None:
                        block.fields.append(entry)
                    if entry is None or starts[at] in self.twice:
                        self._fault(block, starts[at], self.ends[self.at - 1])
                    if kinds[self.at] == PUNCTUATION and texts[self.at] in ",;":
                        self.at += 1
                    continue
                if kinds[at] == END:
                    self._ended(block, close)
                    return
                if kinds[at] == PUNCTUATION and texts[at] in "}>":
                    if self._closes(block, close):
                        self._required(block, message)
                        return
                    continue
                self.unexpected("expected the name of a field")
                self.skip_junk(known)
                self._fault(block, starts[at], starts[self.at])
        finally:
            self.stack.pop()

    def _ended(self, block: Block, close: str) -> None:
        """Report a block that the end of the text leaves open."""
        if close and block.start != _NOWHERE:
            self._unclosed(block, 0)

    def _closes(self, block: Block, close: str) -> bool:
        """Pass the brace that is next; whether it ends ``block``, whose own closing brace is ``close``."""
        at, text = self.at, self.texts[self.at]
        start, end = self.starts[at], self.ends[at]
        self.at = at + 1
        if not close:
            self._fault(block, start, end, lost=True)
            self.problem(start, "this brace closes nothing", text, "delete it")
            return False
        if text != close:
            self._fault(block, start, end, lost=True, instead=close)
            self.problem(start, f"the block is closed by the wrong brace, not by {close}", text, f"write {close}")
        block.end = end
        return True

    def _required(self, block: Block, message: Any) -> None:
        missing = [name for name in block.info.required if not message.HasField(name)]
        if missing and not self.partial:
            named = unknown_names.block_name(block.info, self._around())
            self.problem(
                block.start, f"{named} lacks {' and '.join(missing)}", None,
                f"add {' '.join(f'{name}: ...' for name in missing)}",
            )  # fmt: skip

    def _unclosed(self, block: Block, depth: int) -> NoReturn:
        """Report a block that is never closed, at its opening brace, and go on in the block at ``depth``."""
        inner = self.stack[depth + 1 :]
        if inner == [block] and block.start == _NOWHERE:
            raise _ResumeError(depth)
        suspect = self.wrongly_indented(inner[0]) or inner[-1]
        self.problem(suspect.start, "this brace is never closed", None, "add the closing brace")
        raise _ResumeError(depth)

    # Fields

    def _field(self, info: FieldInfo, message: Any, start: int, block: Block) -> Field | None:
        """Read what follows a field's name; None after a mistake."""
        kinds, texts = self.kinds, self.texts
        colon = texts[self.at] == ":" and kinds[self.at] == PUNCTUATION
        if colon:
            self.at += 1
        if not info.repeated and info.given(message):
            self._duplicate(info, start, block)
            info.clear(message)
        opening = texts[self.at] if kinds[self.at] == PUNCTUATION else ""
        if opening == "[":
            return self._list(info, message, start, colon)
        if info.kind == "message":
            if opening not in ("{", "<"):
                self.unexpected(f"expected {{ after `{info.name}`", f"write {info.name} {{ ... }}")
                self.skip_value()
                return None
            value: Scalar | Block = self._block(info, message, opening)
        elif not colon:
            remedy = f"`{info.name}` is not a block; write {info.name}: ..." if opening else f"write {info.name}: ..."
            self.unexpected(f"expected : after `{info.name}`", remedy)
            self.skip_value()
            return None
        else:
            scalar = self._scalar(info, message, block.info)
            if scalar is None:
                return None
            value = scalar
        return Field(info, start, value.end, [value], False)

    def _duplicate(self, info: FieldInfo, start: int, block: Block) -> None:
        self.twice.add(start)
        first = next((entry for entry in block.fields if entry.info is info), None)
        line = self.lines.locate(first.start).line if first else None
        again = f"; it is already on line {line}" if line else ""
        remedy = "put all of it into one block" if info.kind == "message" else "keep one of them"
        within = unknown_names.block_name(block.info, self._around())
        self.problem(start, f"`{info.name}` may occur only once in {within}{again}", None, remedy)

    def _block(self, info: FieldInfo, message: Any, opening: str) -> Block:
        start = self.starts[self.at]
        block = Block(info.message, start, start)
        self.at += 1
        if info.repeated:
            below = getattr(message, info.name).add()
        else:
            below = info.of(message)
            below.SetInParent()
        self._fields(block, below, _CLOSING[opening])
        return block

    def _scalar(self, info: FieldInfo, message: Any, around: MessageInfo) -> Scalar | None:
        at = self.at
        kind, text = self.kinds[at], self.texts[at]
        try:
            if info.kind in ("string", "bytes"):
                if kind != STRING:
                    raise BadValueError(
                        f"`{info.name}` needs a string in quotes", _quoted(text) if kind == NAME else None
                    )
                literals = [text]
                while self.kinds[self.at + 1] == STRING:
                    self.at += 1
                    literals.append(self.texts[self.at])
                value = read_string(info, literals)
            elif kind in (NAME, NUMBER, STRING):
                value = read_value(info, kind, text)
            else:
                raise BadValueError(f"expected a value of `{info.name}`")
        except BadValueError as error:
            remedy = unknown_names.layer_type(around.name, info.name, text) or error.remedy
            if kind in (NAME, NUMBER, STRING):
                self.problem(self.starts[at], error.what, text[:60], remedy)
                self.at += 1
            else:
                self.unexpected(error.what, remedy)
                self.skip_value()
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
            what = f"`{info.name}` is not a list" if colon else f"expected : after `{info.name}`"
            self.unexpected(what, f"write {info.name}: ... with one value" if colon else f"write {info.name}: [...]")
            self.skip_value()
            return None
        self.at += 1
        values: list[Scalar | Block] = []
        while not (self.kinds[self.at] == PUNCTUATION and self.texts[self.at] == "]" and not values):
            value = self._list_value(info, message)
            if value is None:
                self.skip_list(opening)
                return None
            values.append(value)
            text = self.texts[self.at] if self.kinds[self.at] == PUNCTUATION else ""
            if text == "]":
                break
            if text != ",":
                self.unexpected("expected , or ] in a list", "write [a, b]")
                self.skip_list(opening)
                return None
            self.at += 1
        self.at += 1
        return Field(info, start, self.ends[self.at - 1], values, True)

    def _list_value(self, info: FieldInfo, message: Any) -> Scalar | Block | None:
        if info.kind != "message":
            return self._scalar(info, message, self.stack[-1].info)
        opening = self.texts[self.at] if self.kinds[self.at] == PUNCTUATION else ""
        if opening not in ("{", "<"):
            self.unexpected(f"expected {{ in the list of `{info.name}`")
            return None
        return self._block(info, message, opening)

    # Unknown names

    def _unknown(self, block: Block) -> None:
        name, start = self.texts[self.at], self.starts[self.at]
        depth = self.opens_ancestor(name)
        if depth is not None:
            self._unclosed(block, depth)
        if len(self.stack) == 1:
            self._unknown_in_root(block, name, start)
            return
        self._foreign(block, name, start)

    def _around(self) -> list[MessageInfo]:
        """The messages of the blocks around the one that is being read."""
        return [outer.info for outer in self.stack[:-1]]

    def _layer_type(self) -> str | None:
        """The type of the layer (or of the augmentation) that is being read, if it has been read already."""
        kinds = ("LayerParameter", "V1LayerParameter", "Augmentation")
        layer = next((one for one in reversed(self.stack) if one.info.name in kinds), None)
        types = [one.values[0] for one in layer.fields if one.info.name == "type" and one.values] if layer else []
        return str(types[0].value) if types and isinstance(types[0], Scalar) else None

    def _foreign(self, block: Block, name: str, start: int) -> None:
        """Tell of a field that ``block`` does not have, or keep it for who asked for such fields; go on behind it.

        In the root only a fork's field is kept: a misspelled `layer` would leave a net with a hole.
        """
        what, remedy = unknown_names.unknown_field(block.info, name, self._around(), self._layer_type())
        fork, message = fork_of(block.info.name, name), block.info.name
        keep = self.unknown is not None and (len(self.stack) > 1 or fork is not None)
        if not keep:
            self.problem(start, what, name, remedy, counted=fork is None)
        self.at += 1
        self.skip_after_name()
        end = self.ends[self.at - 1]
        harm = Harm.FIELD if fork is None else Harm.NONE if costs_nothing(message, name) else Harm.SHAPE
        lost = fork is None and message in _WIRING
        self.faults.append(Fault(start, end, harm, message not in _ROOTS, lost, message in _STATES, name=name))
        if keep and self.unknown is not None:
            problem = ForeignField(what, self.lines.locate(start), name, remedy, message)
            self.unknown.append(Unknown(start, end, problem))

    def _unknown_in_root(self, root: Block, name: str, start: int) -> None:
        """A field that a net or a solver does not have: another kind of file, a layer without its `layer {`, a typo."""
        if other := unknown_names.other_kind(root.info, name, first=not root.fields):
            self.problem(start, other[0], name, other[1])
            raise TooManyError
        layer = root.info.fields.get("layer")
        if layer is not None and name in layer.message.fields and self.texts[self.at + 1] in (":", "{"):
            self.problem(start, f"`{name}` of a layer is outside of any layer", name, "write `layer {` before it")
            scratch = message_class("LayerParameter")()
            try:
                self._fields(Block(layer.message, _NOWHERE, _NOWHERE), scratch, "}")
            except _ResumeError as resume:
                if resume.depth:
                    raise
            # The layer before it may be the one that the field belongs to.
            self.faults.append(Fault(start, self.starts[self.at], Harm.FIELD, inside=True))
            return
        self._foreign(root, name, start)


def _quoted(text: str) -> str:
    return f'write "{text}"'
