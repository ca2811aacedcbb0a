"""Options that a layer type declares itself: fields that the schema does not have, typed and documented like its own.

class HardSigmoid(Neuron):                            layer { name: "h" type: "HardSigmoid" bottom: "x" top: "h"
    own_options = (Option("alpha", 0.2, "Slope."),)       lungo { hard_sigmoid { alpha: 0.3 } } }

Each declaration becomes a message in the private pool, and an extension of ``lungo.LayerExtras`` that holds it. Numbers
on the wire follow from names, so that options may be reordered, and packages need not know of each other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2

from caffelungo.bounds import ANY, Bounds
from caffelungo.definition import layer_provider, schema
from caffelungo.errors import UserError

EXTRAS = "lungo.LayerExtras"
"""The message that declared options hang in."""
PACKAGE = "lungo.options"
FILLER = "FillerParameter"
"""The default of an option that is a filler message."""

_FIRST, _LAST = 1000, 2**29 - 1
_RESERVED = range(19000, 20000)
_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {bool: _FIELD.TYPE_BOOL, int: _FIELD.TYPE_INT64, float: _FIELD.TYPE_FLOAT, str: _FIELD.TYPE_STRING}
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True)
class Option:
    """One option: its ``name``, ``default`` (whose type is its type), what it does (``text``), and what it may be.

    ``bounds`` is the range of a number, ``choices`` the words of which a string is one (without quotes in the file).
    With the default ``FILLER`` it is a filler, as ``weight_filler { type: "xavier" }``.
    """

    name: str
    default: bool | int | float | str
    text: str
    bounds: Bounds = ANY
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class OptionBlock:
    """The options of one layer type: the name of their block, and the field of ``EXTRAS`` that holds it."""

    key: str
    options: tuple[Option, ...]
    extension: Any

    @property
    def message(self) -> str:
        """The full name of the block's message."""
        return str(self.extension.message_type.full_name)


_declared: dict[str, OptionBlock] = {}
_listeners: list[Callable[[OptionBlock], None]] = []
_asked = False


def key(layer_type: str) -> str:
    """The name of the block of a type's own options: ``hard_sigmoid`` for HardSigmoid, ``my_lrn`` for MyLRN."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", layer_type)
    return re.sub(r"\W+", "_", words).lower()


def load() -> None:
    """Let every layer type declare its options, if that has not been done."""
    global _asked
    if not _asked and layer_provider.load_types is not None:
        _asked = True
        layer_provider.load_types()


def declare(layer_type: str, options: tuple[Option, ...]) -> OptionBlock:
    """Make ``options`` fields of the block of ``layer_type``; a second time with the same ones changes nothing.

    ValueError for options that make no sense, UserError where they differ from those declared before in this process.
    """
    name = key(layer_type)
    if known := _declared.get(name):
        if known.options != options:
            raise UserError(
                f"the options of layer type {layer_type} were declared otherwise before in this process",
                remedy="restart Python (in a notebook, the kernel): options stay for as long as it runs",
            )
        return known
    _check(layer_type, name, options)
    block = f"{layer_type}Options" if layer_type.isidentifier() else f"{name.title().replace('_', '')}Options"
    file = descriptor_pb2.FileDescriptorProto(name=f"lungo/options/{name}.proto", package=PACKAGE, syntax="proto2")
    file.dependency.extend(["lungo.proto", "caffe.proto"])
    message = file.message_type.add(name=block)
    for option in options:
        _add_field(message, option)
    file.extension.add(
        name=name, number=_number(name, _FIRST), type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_OPTIONAL,
        type_name=f".{PACKAGE}.{block}", extendee=f".{EXTRAS}",
    )  # fmt: skip
    try:
        schema.pool().Add(file)
        extension = schema.pool().FindExtensionByName(f"{PACKAGE}.{name}")
    except TypeError as error:
        raise ValueError(f"the options of layer type {layer_type} clash with those of another one: {error}") from None
    schema.message_class(f"{PACKAGE}.{block}")
    found = _declared[name] = OptionBlock(name, options, extension)
    for tell in _listeners:
        tell(found)
    return found


def declared(listener: Callable[[OptionBlock], None] | None = None) -> list[OptionBlock]:
    """Everything that layer types have declared; ``listener`` is told of what is declared later."""
    load()
    if listener is not None:
        _listeners.append(listener)
    return list(_declared.values())


def value(extras: Any, name: str) -> Any:
    """The block ``name`` of ``extras`` (a LayerExtras), with defaults where it is silent."""
    return extras.Extensions[_declared[name].extension]


def option(message: str, name: str) -> Option | None:
    """The option ``name`` of the block whose message has this full name; None for anything else."""
    if not message.startswith(f"{PACKAGE}."):
        return None
    block = next((one for one in _declared.values() if one.message == message), None)
    return next((one for one in block.options if one.name == name), None) if block is not None else None


def _number(name: str, first: int) -> int:
    """The number on the wire that follows from ``name``."""
    digest = hashlib.sha256(name.encode()).digest()
    number = first + int.from_bytes(digest[:8], "big") % (_LAST - first + 1)
    return number if number not in _RESERVED else _number(f"{name}'", first)


def _add_field(message: Any, option: Option) -> None:
    field = message.field.add(name=option.name, number=_number(option.name, 1), label=_FIELD.LABEL_OPTIONAL)
    if option.default == FILLER and not option.choices:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".caffe.{FILLER}"
    elif option.choices:
        words = message.enum_type.add(name=f"{option.name.title().replace('_', '')}Choice")
        for number, word in enumerate(option.choices):
            words.value.add(name=word, number=number)
        field.type, field.type_name = _FIELD.TYPE_ENUM, f".{PACKAGE}.{message.name}.{words.name}"
        field.default_value = str(option.default)
    else:
        field.type = _TYPES[type(option.default)]
        text = str(option.default)
        field.default_value = text.lower() if isinstance(option.default, bool) else text


def _check(layer_type: str, name: str, options: tuple[Option, ...]) -> None:
    def refuse(what: str) -> ValueError:
        return ValueError(f"layer type {layer_type}: {what}")

    if name in schema.descriptor(EXTRAS).fields_by_name:
        raise refuse(f"`{name}` is a field of {EXTRAS} already; choose another name for the type")
    names = [one.name for one in options]
    for one in options:
        if not _NAME.match(one.name) or names.count(one.name) > 1:
            raise refuse(f"option {one.name!r} must be written in lower case with underscores, and only once")
        if not one.text.strip():
            raise refuse(f"option {one.name!r} has no text that says what it does")
        if one.choices and one.default not in one.choices:
            raise refuse(f"the default of option {one.name!r} is none of its choices")
        if one.choices and not all(word.isidentifier() for word in one.choices):
            raise refuse(f"the choices of option {one.name!r} must be plain words")
        number = isinstance(one.default, int | float) and not isinstance(one.default, bool)
        if number and not one.bounds.admits(float(one.default)):
            raise refuse(f"the default of option {one.name!r} is out of its range")
