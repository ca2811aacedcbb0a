"""Files and texts -> definitions: template, text, message, upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from caffelungo import files, filetypes
from caffelungo.definition import decoding, fork_solver, option_blocks, printer, schema
from caffelungo.definition.definition import Definition
from caffelungo.definition.faults import Fault
from caffelungo.definition.parser import MAX_CHARACTERS, ForeignField, Unknown, parse
from caffelungo.definition.partial import UnreadableError, blanked, rest_of
from caffelungo.definition.schema import NetParameter, Recipe, SolverParameter
from caffelungo.definition.splices import Splice
from caffelungo.definition.tree import LineTable
from caffelungo.definition.upgrade import upgrade_net, upgrade_solver
from caffelungo.definition.upgrade_text import upgrade_splices
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

__all__ = ["Definition", "parse_net", "parse_recipe", "parse_solver", "read_net", "read_recipe", "read_solver"]

Variables = Mapping[str, Any]

MAX_BYTES = 2**31 - 1
"""Largest binary file that is read: what a protobuf message may have at most."""
MAX_BYTES_A_CHARACTER = 4

_SMALLER = "name the .prototxt file; weights go to --weights"
_WORDS = {
    "NetParameter": ("net", "at least one layer { ... }"),
    "SolverParameter": ("solver", "net: and base_lr:"),
    "Recipe": ("recipe", "step { widen { units: 1024 } }"),
}
_UPGRADES = {"NetParameter": upgrade_net, "SolverParameter": upgrade_solver}


def read_net(
    path: str | Path, variables: Variables | None = None, foreign: list[ForeignField] | None = None
) -> Definition:
    """The net in ``path``: prototxt of any age, a Jinja2 template (``.j2``, or ``variables`` given), or a .caffemodel.

    A binary NetParameter is read without its weights. Raises UserError with every mistake found, as UnreadableError
    where mistakes of the text leave a rest that can be read (``plan.read_net`` judges it). With the list ``foreign``,
    fields that forks of Caffe added are left out of the definition and put there instead.
    """
    return _read(path, NetParameter, variables, foreign)


def read_solver(path: str | Path, variables: Variables | None = None) -> Definition:
    """The solver in ``path``, as ``read_net`` reads a net."""
    return _read(path, SolverParameter, variables)


def read_recipe(path: str | Path, variables: Variables | None = None) -> Definition:
    """The recipe of a rewrite in ``path``, as ``read_net`` reads a net."""
    return _read(path, Recipe, variables)


def parse_net(text: str, file: str = "<text>") -> Definition:
    """The net in ``text``; messages name ``file``."""
    return _parse(text, file, NetParameter, LineTable(file, text))


def parse_solver(text: str, file: str = "<text>") -> Definition:
    """The solver in ``text``; messages name ``file``."""
    return _parse(text, file, SolverParameter, LineTable(file, text))


def parse_recipe(text: str, file: str = "<text>") -> Definition:
    """The recipe in ``text``; messages name ``file``."""
    return _parse(text, file, Recipe, LineTable(file, text))


def _read(
    path: str | Path, kind: Any, variables: Variables | None, foreign: list[ForeignField] | None = None
) -> Definition:
    file = str(path)
    word, content = _WORDS[kind.DESCRIPTOR.name]
    found = files.find(path, what=word)
    data = _bytes_of(found, file, word)
    if kind is NetParameter and decoding.is_binary(data) and (net := _binary_net(data)) is not None:
        return _printed(net, found)
    decoding.refuse_binary(data, file)
    text = decoding.decode(data)
    if not text.strip("\ufeff \t\r\n"):
        raise UserError(
            f"the {word} is empty",
            where=Location(file),
            received=counted(len(data), "byte"),
            remedy=f"write {content}",
        )
    if found.suffix == ".j2" or variables:
        from caffelungo.definition import rendering  # loads Jinja2, which plain files can do without

        rendered = rendering.render(text, file, variables or {})
        text = _without_foreign(rendered.text, kind, rendered, foreign)
        return _parse(text, file, kind, rendered, variables or {})
    lines = LineTable(file, text)
    return _parse(_without_foreign(text, kind, lines, foreign), file, kind, lines)


def _without_foreign(text: str, kind: Any, lines: LineTable, foreign: list[ForeignField] | None) -> str:
    """``text`` without the fields that only forks know, which are put into ``foreign``, where there is such a list."""
    if foreign is None:
        return text
    unknown: list[Unknown] = []
    try:
        parse(text, kind(), lines, unknown=unknown)
    except UserError as error:
        raise UserError([*error.problems, *(one.problem for one in unknown)]) from None
    foreign += [one.problem for one in unknown]
    return blanked(text, [(one.start, one.end, "") for one in unknown])


def _bytes_of(path: Path, file: str, word: str) -> bytes:
    try:
        with path.open("rb") as opened:
            head, size = opened.read(filetypes.HEAD), path.stat().st_size
            if size > (MAX_BYTES if decoding.is_binary(head) else MAX_CHARACTERS * MAX_BYTES_A_CHARACTER):
                received = f"{size >> 20} MB"
                raise UserError(f"the {word} is too large", where=Location(file), received=received, remedy=_SMALLER)
            return head + opened.read()
    except OSError as error:
        reason = "a folder" if path.is_dir() else error.strerror
        remedy = "name the file inside it" if path.is_dir() else "name a readable file"
        raise UserError(f"the {word} cannot be read", where=Location(file), received=reason, remedy=remedy) from None


def _parse(
    text: str, file: str, kind: Any, source: LineTable, variables: Variables | None = None, rest: bool = False
) -> Definition:
    """The definition in ``text``. In the ``rest`` of one, further mistakes leave no rest, and fields may lack."""
    word, content = _WORDS[kind.DESCRIPTOR.name]
    message = kind()
    faults: list[Fault] = []
    try:
        document = parse(text, message, source, partial=rest, faults=faults)
    except UserError as error:
        if rest:
            raise
        left = rest_of(text, faults, lambda readable: _parse(readable, file, kind, source, variables, rest=True))
        problems = error.problems
        if left is not None and kind is SolverParameter:
            problems = fork_solver.with_values(problems, left.written(text), left.definition.message)
        raise UnreadableError(problems, left) from None
    if not document.root.fields:
        raise UserError(
            f"the {word} is empty",
            where=Location(file),
            received="no field" if text else "nothing",
            remedy=f"write {content}",
        )
    upgrade = _UPGRADES.get(kind.DESCRIPTOR.name)
    notes = upgrade(message, where=lambda *path: source.locate(document.find(path))) if upgrade else []
    definition = Definition(Path(file), message, text, notes, "text", {}, document, source)
    if notes:
        definition = _upgraded(definition)
    if variables is not None:
        header = printer.template_header(file, variables)
        definition = definition.spliced([Splice(0, 0, header)], "printed")
        definition = Definition(
            definition.path, definition.message, definition.text, notes, "template", variables, definition.document,
            source, definition.trail,
        )  # fmt: skip
    return definition


def _upgraded(definition: Definition) -> Definition:
    """``definition``, whose message is upgraded already, its text upgraded too: printed whole if all else fails."""
    assert definition.document is not None
    try:
        result = definition.spliced(upgrade_splices(definition.document, definition.message), "upgraded")
        if result.message == definition.message:
            return result
    except (UserError, ValueError, LookupError):
        pass
    printed = printer.upgrade_header(definition.path) + printer.print_net(definition.message)
    return definition.spliced([Splice(0, len(definition.text), printed)], "upgraded")


def _binary_net(data: bytes) -> Any | None:
    """The NetParameter in ``data`` without weights, or None if it is none."""
    try:
        option_blocks.load()
        net = schema.from_bytes(NetParameter, data)
    except DecodeError:
        return None
    if not (net.layer or net.layers):
        return None
    for layer in (*net.layer, *net.layers):
        layer.ClearField("blobs")
    for old in net.layers:
        old.layer.ClearField("blobs") if old.HasField("layer") else None
    return net


def _printed(net: Any, path: Path) -> Definition:
    notes = upgrade_net(net, where=lambda *parts: Location(str(path)))
    text = printer.binary_header(path) + printer.print_net(net)
    message = NetParameter()
    document = parse(text, message, LineTable(f"{path} (printed)", text))
    return Definition(path, message, text, notes, "binary", {}, document, None)
