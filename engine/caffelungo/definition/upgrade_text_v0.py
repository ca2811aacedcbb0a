"""The text of a V0 layer (`layers { layer { ... } bottom: ... }`) is composed anew of its fields and their comments."""

from __future__ import annotations

from caffelungo.definition import layout
from caffelungo.definition.comments import Piece, pieces
from caffelungo.definition.layout import Layout
from caffelungo.definition.tree import Block, Field, Scalar
from caffelungo.definition.upgrade import V1_TYPES
from caffelungo.definition.upgrade_text_v1 import param_specs
from caffelungo.definition.upgrade_v0 import FIELDS, V0_TYPES

_SPECS = ("blobs_lr", "weight_decay")


def is_v0(block: Block) -> bool:
    """Whether a `layers` block holds a V0 layer."""
    return bool(block.values("layer"))


def v0_kind(block: Block) -> str:
    """The V0 type of a `layers` block; empty if it is none."""
    for entry, index in block.values("layer"):
        inner = entry.values[index]
        if isinstance(inner, Block):
            for field, at in inner.values("type"):
                value = field.values[at]
                return str(value.value) if isinstance(value, Scalar) else ""
    return ""


def v0_layer(text: str, entry: Field, style: Layout) -> str:
    """The `layer` block that the V0 layer ``entry`` becomes, without the indentation before it."""
    block = entry.values[0]
    assert isinstance(block, Block)
    around, closing = pieces(text, block)
    old = next(piece for piece in around if piece.entry.info.name == "layer")
    inner_block = old.entry.values[0]
    assert isinstance(inner_block, Block)
    inside, inner_closing = pieces(text, inner_block)
    return _Composer(text, entry, style, v0_kind(block)).compose(
        old, inside, around, inner_block, inner_closing + closing
    )


class _Composer:
    def __init__(self, text: str, entry: Field, style: Layout, kind: str) -> None:
        self.text, self.style, self.kind = text, style, kind
        self.indent = layout.indent_of(text, entry.start)
        self.lines = ["layer {"]

    def compose(self, old: Piece, inside: list[Piece], around: list[Piece], inner: Block, closing: list[str]) -> str:
        own = [piece for piece in inside if piece.entry.info.name in ("name", "type")]
        groups: dict[str, list[Piece]] = {}
        lost: list[Piece] = []
        for piece in inside:
            name = piece.entry.info.name
            if piece in own or name in _SPECS:
                continue
            targets = FIELDS.get(name, ({}, ""))[0]
            target = targets.get(self.kind) or targets.get("*")
            (groups.setdefault(target, []) if target else lost).append(piece)
        self._comments(old.lead, 1)
        for piece in own:
            self._emit(piece, self._value(piece, piece.entry.info.name), 1)
        for piece in around:
            if piece is not old:
                self._emit(piece, self.text[piece.entry.start : piece.entry.end], 1)
        specs = [piece for piece in inside if piece.entry.info.name in _SPECS]
        self._params(specs, inner)
        for target, members in groups.items():
            self._group(target, members)
        for piece in lost:
            self._comments([*piece.lead, *([piece.tail] if piece.tail else [])], 1)
        self._comments([*([old.tail] if old.tail else []), *closing], 1)
        self._line("}", 0)
        return self.style.newline.join(self.lines)

    def _params(self, specs: list[Piece], inner: Block) -> None:
        for piece in specs:
            self._comments([*piece.lead, *([piece.tail] if piece.tail else [])], 1)
        for shown in param_specs(self.text, inner):
            self._line(shown, 1)

    def _group(self, target: str, members: list[Piece]) -> None:
        if members[0].entry.info.name == target:
            self._emit(members[0], self.text[members[0].entry.start : members[0].entry.end], 1)
            return
        self._line(f"{target} {{", 1)
        for piece in members:
            self._emit(piece, self._value(piece, FIELDS[piece.entry.info.name][1]), 2)
        self._line("}", 1)

    def _value(self, piece: Piece, name: str) -> str:
        value = piece.entry.values[0]
        shown = self.text[value.start : value.end]
        if name == "type":
            shown = f'"{V1_TYPES[V0_TYPES[self.kind]]}"'
        return f"{name} {shown}" if isinstance(value, Block) else f"{name}: {shown}"

    def _emit(self, piece: Piece, shown: str, level: int) -> None:
        self._comments(piece.lead, level)
        self._line(shown + (f"  {piece.tail}" if piece.tail else ""), level)

    def _comments(self, comments: list[str], level: int) -> None:
        for comment in comments:
            self._line(comment, level)

    def _line(self, line: str, level: int) -> None:
        self.lines.append(self.indent + self.style.unit * level + line)
