"""Edits -> a changed definition, its text changed where the edits say and nowhere else.

Each touched layer is edited on its own stretch of the text, which is parsed anew after every edit; then layers are
inserted, deleted and moved as whole stretches. At the end the whole text is read again, so that text and message agree.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from caffelungo.definition import layout, message_edits, text_edits
from caffelungo.definition.definition import Definition
from caffelungo.definition.edits import AnyEdit, Edit, InsertLayer
from caffelungo.definition.sorted_edits import SortedEdits, sort_batch
from caffelungo.definition.splices import Splice, apply_splices, narrowed
from caffelungo.definition.splices import inverse as inverse_splices
from caffelungo.definition.tokens import PUNCTUATION, Tokens
from caffelungo.definition.tree import Block, Document, printable


def apply(definition: Definition, edits: Iterable[AnyEdit]) -> Definition:
    """``definition`` with ``edits`` made in its text, and read again from it.

    The new definition's ``where`` still points into the file the user wrote; what the edits brought is where it was
    put. Raises IndexError or ValueError for an edit that does not fit the definition.
    """
    return definition.spliced(splices(definition, edits), "edited")


def apply_message(message: Any, edits: Iterable[Edit]) -> Any:
    """A copy of ``message`` with ``edits`` made; ``message`` itself stays as it is."""
    return message_edits.edited(message, sort_batch(message, edits))


def inverse(definition: Definition, edits: Iterable[AnyEdit]) -> list[Splice]:
    """The edits that bring ``apply(definition, edits)`` back to the same bytes."""
    return inverse_splices(definition.text, splices(definition, edits))


def diff(before: Definition, after: Definition) -> str:
    """The change of the text from ``before`` to ``after`` as a unified diff; empty if there is none."""
    return _unified(before.text, after.text, str(before.path), f"{after.path} (edited)")


def upgrade_diff(definition: Definition) -> str:
    """The change from the text the user wrote (or the template gave) to ``definition.text`` before any edit."""
    source = definition.source.text if definition.source else definition.text
    return _unified(source, definition.text, str(definition.path), f"{definition.path} (upgraded)")


def _unified(before: str, after: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(printable(before).splitlines(), printable(after).splitlines(), old, new, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def splices(definition: Definition, edits: Iterable[AnyEdit]) -> list[Splice]:
    """The replacements in ``definition.text`` that make ``edits``."""
    edits = list(edits)
    raw = [edit for edit in edits if isinstance(edit, Splice)]
    rest = [edit for edit in edits if not isinstance(edit, Splice)]
    if not rest:
        return raw
    if raw:
        raise ValueError("replacements of text and edits of the message cannot be in one batch")
    document = definition.document
    assert document is not None
    batch = sort_batch(definition.message, rest)
    text = definition.text
    if any(entry.listed for entry, _ in document.root.values("layer")):
        text = apply_splices(text, _unlisted(document))
        document = text_edits.tree(text, type(definition.message))
    result = _Editor(document, batch).splices() if batch.inner or batch.gone or batch.arrivals else []
    if batch.outer:
        kind, style = type(definition.message), layout.layout_of(document)
        changed = text_edits.edited(text, kind, batch.outer, style)
        outer = narrowed(text, Splice(0, len(text), changed))
        if any(splice.start <= outer.end and outer.start <= splice.end for splice in result):
            changed = text_edits.edited(apply_splices(text, result), kind, batch.outer, style)
            result = [Splice(0, len(text), changed)]
        else:
            result.append(outer)
    if text is not definition.text:
        result = [Splice(0, len(definition.text), apply_splices(text, result))]
    changes = [narrowed(definition.text, splice) for splice in result]
    return [splice for splice in changes if splice.text or splice.end > splice.start]


def _unlisted(document: Document) -> list[Splice]:
    """Writes `layer: [{...}, {...}]` as `layer {...} layer {...}`."""
    result = []
    for entry in {id(entry): entry for entry, _ in document.root.values("layer") if entry.listed}.values():
        result.append(Splice(entry.start, entry.values[0].start, "layer "))
        for before, after in zip(entry.values, entry.values[1:], strict=False):
            gap = Tokens(document.text[before.end : after.start])
            comma = before.end + next(
                start for start, kind in zip(gap.starts, gap.kinds, strict=True) if kind == PUNCTUATION
            )
            result += [Splice(comma, comma + 1, ""), Splice(after.start, after.start, "layer ")]
        result.append(Splice(entry.end - 1, entry.end, ""))
    return result


class _Editor:
    """The layers of one document as stretches of its text."""

    def __init__(self, document: Document, batch: SortedEdits) -> None:
        self.text = document.text
        self.batch = batch
        self.style = layout.layout_of(document)
        self.blocks = [entry.values[index] for entry, index in document.root.values("layer")]
        self.spans = layout.spans(document, "layer")
        self.inner = {
            index: text_edits.edited_layer(self.text[slice(*self.spans[index])], edits, self.style)
            for index, edits in batch.inner.items()
        }

    def splices(self) -> list[Splice]:
        """The replacements that make the whole batch."""
        result = []
        for place in sorted(self.batch.arrivals):
            if self.batch.arrivals[place]:
                result.append(self._arrivals(place))
        for index, (start, end) in enumerate(self.spans):
            if index in self.batch.gone:
                result.append(self._gone(index))
            elif index in self.inner:
                result.append(Splice(start, end, self.inner[index]))
        return result

    def _neighbour(self, place: int) -> Block | None:
        block = self.blocks[place - 1 if place else 0] if self.blocks else None
        assert block is None or isinstance(block, Block)
        return block

    def _spaced(self, place: int) -> bool:
        """Whether blank lines are between the layers around ``place``."""
        first = min(max(place - 1, 0), len(self.spans) - 2)
        if first < 0:
            only = self._neighbour(0)
            return only is not None and not layout.is_one_line(self.text, only)
        between = self.text[self.spans[first][1] : self.spans[first + 1][0]]
        return "\n" in between

    def _arrivals(self, place: int) -> Splice:
        """The layers that come to ``place``, laid out as their neighbours are."""
        newline, neighbour = self.style.newline, self._neighbour(place)
        gap = newline if neighbour is None or self._spaced(place) else ""
        arrivals = self.batch.arrivals[place]
        pieces = [self._moved(item) if isinstance(item, int) else self._new(item, neighbour) for item in arrivals]
        last = len(self.spans)
        offset = self.spans[place][0] if place < last else self.spans[-1][1] if last else len(self.text)
        if place < last and layout.starts_line(self.text, offset):
            offset = layout.line_start(self.text, offset)
            return Splice(offset, offset, "".join(piece + newline + gap for piece in pieces))
        if place < last:
            return Splice(offset, offset, "".join(f"{piece}{newline}" for piece in pieces))
        if offset == layout.line_start(self.text, offset):
            lead = gap if self.spans or self.text[:offset].strip() else ""
            return Splice(offset, offset, "".join(lead + piece + newline for piece in pieces))
        return Splice(offset, offset, "".join(newline + gap + piece for piece in pieces) + self._tail(offset))

    def _tail(self, offset: int) -> str:
        return "" if offset == len(self.text) else self.style.newline

    def _new(self, edit: InsertLayer, neighbour: Block | None) -> str:
        indent, one_line, style = "", False, self.style
        if neighbour is not None:
            indent = layout.indent_of(self.text, neighbour.start)
            one_line = layout.is_one_line(self.text, neighbour)
            style = replace(style, unit=layout.unit_of(self.text, neighbour) or style.unit)
        lines = [f"{indent}# {line}".rstrip() for line in (edit.comment or "").splitlines()]
        lines.append(f"{indent}layer {style.block(edit.layer, indent, one_line)}")
        return style.newline.join(lines)

    def _moved(self, index: int) -> str:
        start, end = self.spans[index]
        return self.inner.get(index, self.text[start:end]).rstrip("\r\n")

    def _gone(self, index: int) -> Splice:
        """The stretch of a layer that leaves, with the blank lines behind it (before it, if it is the last)."""
        start, end = self.spans[index]
        limit = self.spans[index + 1][0] if index + 1 < len(self.spans) else len(self.text)
        limit = layout.line_start(self.text, limit) if limit < len(self.text) else limit
        behind = end
        while behind < limit and (line := layout.behind_line(self.text, behind)) and line <= limit:
            if line == behind or self.text[behind:line].strip():
                break
            behind = line
        last = index + 1 == len(self.spans)
        if last and self.batch.arrivals.get(index + 1):
            return Splice(start, end, "")
        if not last or behind > end:
            return Splice(start, behind if self._blank_before(start) else end, "")
        if index - 1 not in self.batch.gone and not self.batch.arrivals.get(index):
            while self._blank_before(start) and start > (self.spans[index - 1][1] if index else 0):
                start = layout.line_start(self.text, start - 1)
        return Splice(start, end, "")

    def _blank_before(self, offset: int) -> bool:
        """Whether ``offset`` begins a line that has a blank line, or no line, before it."""
        if offset != layout.line_start(self.text, offset):
            return False
        above = layout.line_start(self.text, offset - 1) if offset else 0
        return not self.text[above:offset].strip()
