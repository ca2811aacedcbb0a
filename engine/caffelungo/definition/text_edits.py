"""Edits inside a block of the text: each is worked out on a fresh tree of it and keeps everything around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from caffelungo.definition import layout, printer
from caffelungo.definition.edits import ClearField, Path, RenameBlob, RenameField, SetField
from caffelungo.definition.fields import FieldInfo
from caffelungo.definition.layout import Layout
from caffelungo.definition.message_edits import set_value
from caffelungo.definition.parser import parse
from caffelungo.definition.schema import NetParameter, message_class
from caffelungo.definition.sorted_edits import InnerEdit
from caffelungo.definition.splices import Splice, apply_splices
from caffelungo.definition.tree import Block, Document, Field, LineTable, Scalar
from caffelungo.definition.values import print_value
from caffelungo.wording import counted


def steps(block: Block, edit: InnerEdit) -> list[InnerEdit]:
    """``edit`` as edits that each touch one value: a list for a whole repeated field is taken apart."""
    if not isinstance(edit, SetField) or not edit.path or isinstance(edit.path[-1], int):
        return [edit]
    found: Block | None = block
    info, below, at = block.info, edit.path[:-1], 0
    while at < len(below):
        inner = info.fields[str(below[at])]
        number = below[at + 1] if inner.repeated else 0
        entries = found.values(inner.name) if found else []
        entry = entries[number] if isinstance(number, int) and number < len(entries) else None
        value = entry[0].values[entry[1]] if entry else None
        found = value if isinstance(value, Block) else None
        info, at = inner.message, at + 1 + inner.repeated
    name = str(edit.path[-1])
    if found is None or not info.fields[name].repeated:
        return [edit]
    old, values = len(found.values(name)), list(edit.value)
    gone = [ClearField((*edit.path, index)) for index in reversed(range(len(values), old))]
    return [*(SetField((*edit.path, index), value) for index, value in enumerate(values)), *gone]


def splices_of(document: Document, block: Block, edit: InnerEdit, style: Layout) -> list[Splice]:
    """The replacements in ``document`` that make ``edit``, whose path begins in ``block``."""
    if isinstance(edit, RenameBlob):
        return _rename(block, edit)
    if isinstance(edit, ClearField):
        return _clear(document.text, block, edit.path)
    if isinstance(edit, RenameField):
        return _rename_field(block, edit.path, edit.name)
    return _Setter(document.text, style).set(block, edit.path, edit.value)


def edited(text: str, kind: Any, edits: Iterable[InnerEdit], style: Layout) -> str:
    """The text of a whole message of class ``kind`` with ``edits`` made one after another."""
    for edit in edits:
        for step in steps(tree(text, kind).root, edit):
            document = tree(text, kind)
            text = apply_splices(text, splices_of(document, document.root, step, style))
    return text


def edited_layer(text: str, edits: Iterable[InnerEdit], style: Layout) -> str:
    """A stretch of a net's text that holds one `layer`, with ``edits`` made, whose paths begin in the layer."""
    for edit in edits:
        document, block = _only_layer(text)
        for number, step in enumerate(steps(block, edit)):
            if number:
                document, block = _only_layer(text)
            here = replace(style, unit=layout.unit_of(text, block) or style.unit)
            if isinstance(step, SetField) and not step.path:
                changes = [_Setter(text, here).replaced(block, step.value)]
            else:
                changes = splices_of(document, block, step, here)
            text = apply_splices(text, changes)
    return text


def tree(text: str, kind: Any) -> Document:
    """The tree of a text that edits have made of a valid one; required fields may still lack."""
    return parse(text, kind(), LineTable("edited text", text), partial=True)


def _only_layer(text: str) -> tuple[Document, Block]:
    document = tree(text, NetParameter)
    block = document.root.fields[0].values[0]
    assert isinstance(block, Block)
    return document, block


def _rename(block: Block, edit: RenameBlob) -> list[Splice]:
    result = []
    for name in ("bottom", "top"):
        for entry, index in block.values(name):
            value = entry.values[index]
            assert isinstance(value, Scalar)
            if value.value == edit.old:
                result.append(Splice(value.start, value.end, print_value(entry.info, edit.new)))
    return result


def _rename_field(block: Block, path: Path, name: str) -> list[Splice]:
    info, rest = block.info.fields[str(path[0])], path[1:]
    entries = block.values(info.name)
    if not rest:
        starts = {entry.start for entry, _ in entries}
        return [Splice(start, start + len(info.name), name) for start in sorted(starts)]
    index, rest = (rest[0], rest[1:]) if info.repeated else (0, rest)
    assert isinstance(index, int)
    result = []
    for entry, position in entries[index : index + 1] if info.repeated else entries:
        value = entry.values[position]
        assert isinstance(value, Block)
        result += _rename_field(value, rest, name)
    return result


class _Setter:
    def __init__(self, text: str, style: Layout) -> None:
        self.text = text
        self.style = style
        self.one_line = False

    def set(self, block: Block, path: Path, value: Any) -> list[Splice]:
        info, rest = block.info.fields[str(path[0])], path[1:]
        entries = block.values(info.name)
        if info.repeated:
            index, rest = rest[0], rest[1:]
            assert isinstance(index, int)
            if not 0 <= index <= len(entries):
                raise IndexError(f"{info.name} has {counted(len(entries), 'value')}, no place {index}")
            if index == len(entries):
                return self._add(block, info, _whole(info, rest, value))
            entries = entries[index:]
        if not entries:
            return self._add(block, info, _whole(info, rest, value))
        entry, index = entries[0]
        old = entry.values[index]
        if not isinstance(old, Block):
            return [Splice(old.start, old.end, print_value(info, value))]
        if rest:
            return self.set(old, rest, value)
        return [self.replaced(old, value)]

    def replaced(self, old: Block, value: Any) -> Splice:
        """``value`` in the place of ``old``."""
        one_line = layout.is_one_line(self.text, old)
        style = replace(self.style, unit=layout.unit_of(self.text, old) or self.style.unit)
        return Splice(old.start, old.end, style.block(value, layout.indent_of(self.text, old.start), one_line))

    def _add(self, block: Block, info: FieldInfo, value: Any) -> list[Splice]:
        """A new field behind those that the schema puts before it."""
        same = block.values(info.name)
        if same and same[-1][0].listed:
            entry = same[-1][0]
            printed = self.style.field(info, value, "", True)
            printed = (
                printed[len(info.name) :].lstrip(": ") if info.kind != "message" else printed[len(info.name) + 1 :]
            )
            comma = ", " if entry.values else ""
            place = entry.values[-1].end if entry.values else entry.end - 1
            return [Splice(place, place, comma + printed)]
        if same and info.kind == "message":
            sibling = same[-1][0].values[-1]
            assert isinstance(sibling, Block)
            self.one_line = layout.is_one_line(self.text, sibling)
        order = list(block.info.fields)
        rank = order.index(info.name)
        before = [entry for entry in block.fields if order.index(entry.info.name) <= rank]
        if before:
            return [self._behind(block, before[-1], info, value)]
        if block.fields:
            return [self._ahead(block.fields[0], info, value)]
        return [self._into_empty(block, info, value)]

    def _behind(self, block: Block, entry: Field, info: FieldInfo, value: Any) -> Splice:
        text = self.text
        place = layout.behind_separator(text, entry.end)
        line = layout.behind_line(text, place)
        if line is None or (block.start and layout.is_one_line(text, block)):
            return Splice(place, place, " " + self.style.field(info, value, "", True) + self._gap(place))
        place = line - len(text[place:line]) + len(text[place:line].rstrip("\r\n"))
        indent = self._indent(block, entry)
        return Splice(place, place, self.style.newline + indent + self._printed(info, value, indent))

    def _printed(self, info: FieldInfo, value: Any, indent: str) -> str:
        """A field on separate lines; a message on one line if its sibling is, or if small ones are and it is."""
        if self.one_line or (self.style.inline and info.kind == "message" and printer.is_small(value)):
            return self.style.field(info, value, indent, True)
        return self.style.field(info, value, indent, False)

    def _gap(self, place: int) -> str:
        return "" if place == len(self.text) or self.text[place] in " \t\r\n}>" else " "

    def _indent(self, block: Block, entry: Field) -> str:
        for sibling in (entry, *block.fields):
            if layout.starts_line(self.text, sibling.start):
                return layout.indent_of(self.text, sibling.start)
        outer = layout.indent_of(self.text, block.start)
        return outer + self.style.unit if block.start else outer

    def _ahead(self, entry: Field, info: FieldInfo, value: Any) -> Splice:
        if not layout.starts_line(self.text, entry.start):
            return Splice(entry.start, entry.start, self.style.field(info, value, "", True) + " ")
        place = layout.with_comments(self.text, entry.start)
        indent = layout.indent_of(self.text, entry.start)
        return Splice(place, place, indent + self._printed(info, value, indent) + self.style.newline)

    def _into_empty(self, block: Block, info: FieldInfo, value: Any) -> Splice:
        if layout.is_one_line(self.text, block):
            return Splice(block.start + 1, block.end - 1, f" {self.style.field(info, value, '', True)} ")
        indent = layout.indent_of(self.text, block.start) + self.style.unit
        place = block.start + 1
        return Splice(place, place, self.style.newline + indent + self._printed(info, value, indent))


def _whole(info: FieldInfo, rest: Path, value: Any) -> Any:
    """The value of a new field, with what the rest of the path makes inside it."""
    if info.kind != "message":
        return value
    message = message_class(info.type_name.removeprefix("caffe."))()
    set_value(message, rest, value)
    return message


def _clear(text: str, block: Block, path: Path) -> list[Splice]:
    info, rest = block.info.fields[str(path[0])], path[1:]
    entries = block.values(info.name)
    if info.repeated and rest:
        index, rest = rest[0], rest[1:]
        assert isinstance(index, int)
        if not 0 <= index < len(entries):
            return []
        entries = entries[index : index + 1]
        if not rest and len(entries[0][0].values) > 1:
            return [_removed_element(*entries[0])]
    if not rest:
        fields = {id(entry): entry for entry, _ in entries}
        fields |= {id(entry): entry for entry in block.fields if entry.info is info and not entry.values}
        return [_removed(text, entry) for entry in fields.values()]
    for entry, index in entries:
        value = entry.values[index]
        assert isinstance(value, Block)
        return _clear(text, value, rest)
    return []


def _removed_element(entry: Field, index: int) -> Splice:
    if index:
        return Splice(entry.values[index - 1].end, entry.values[index].end, "")
    return Splice(entry.values[0].start, entry.values[1].start, "")


def _removed(text: str, entry: Field) -> Splice:
    start, end = entry.start, layout.behind_separator(text, entry.end)
    behind = layout.behind_line(text, end)
    if layout.starts_line(text, start) and behind is not None:
        return Splice(layout.line_start(text, start), behind, "")
    if layout.starts_line(text, start):
        while end < len(text) and text[end] in " \t":
            end += 1
        return Splice(start, end, "")
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    glued = start > 0 and end < len(text) and text[start - 1] not in "{<\r\n" and text[end] not in " \t\r\n}>"
    return Splice(start, end, " " if glued else "")
