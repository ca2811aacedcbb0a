"""Options that code declares and the schema does not have: a block of fields, typed and documented like Caffe's own.

    own_options = (Option("alpha", 0.2, "Slope."),)       lungo { hard_sigmoid { alpha: 0.3 } }

Each declaration becomes a message in the private pool, and an extension of the message that the block is written in:
``lungo.LayerExtras`` for layer types (``LAYERS``), ``lungo.Augmentation`` for augmentations (``AUGMENTATIONS``).
Numbers on the wire follow from names, so that options may be reordered, and packages need not know of each other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2

from caffelungo.bounds import ANY, Bounds
from caffelungo.definition import augmentation_provider, layer_provider, schema
from caffelungo.errors import UserError

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
    With the default ``FILLER`` it is a filler, as ``weight_filler { type: "xavier" }``. ``repeated``: any number of
    values of the default's type, none where the file is silent.
    """

    name: str
    default: bool | int | float | str
    text: str
    bounds: Bounds = ANY
    choices: tuple[str, ...] = ()
    repeated: bool = False


@dataclass(frozen=True)
class OptionBlock:
    """The options of one type: the name of their block, and the field that holds it."""

    key: str
    options: tuple[Option, ...]
    extension: Any

    @property
    def message(self) -> str:
        """The full name of the block's message."""
        return str(self.extension.message_type.full_name)


def key(type_name: str) -> str:
    """The name of the block of a type's own options: ``hard_sigmoid`` for HardSigmoid, ``my_lrn`` for MyLRN."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type_name)
    return re.sub(r"\W+", "_", words).lower()


class OptionBlocks:
    """All blocks that may be written in one message.

    ``holder`` is that message's full name, ``package`` that of the blocks' own messages, ``what`` says who declares
    them, as "layer type". ``provider`` gives the function that makes all of them declare their options, or None.
    """

    def __init__(self, holder: str, package: str, what: str, provider: Callable[[], Callable[[], object] | None]):
        self.holder, self.package, self.what = holder, package, what
        self._provider = provider
        self._asked = False
        self._declared: dict[str, OptionBlock] = {}
        self._listeners: list[Callable[[OptionBlock], None]] = []

    def load(self) -> None:
        """Let every type declare its options, if that has not been done."""
        load_types = self._provider()
        if not self._asked and load_types is not None:
            self._asked = True
            load_types()

    def declare(self, type_name: str, options: tuple[Option, ...]) -> OptionBlock:
        """Make ``options`` fields of the block of ``type_name``; a second time with the same ones changes nothing.

        ValueError for options that make no sense, UserError where they differ from those declared before in this
        process.
        """
        name = key(type_name)
        if known := self._declared.get(name):
            if known.options != options:
                raise UserError(
                    f"the options of {self.what} {type_name} were declared otherwise before in this process",
                    remedy="restart Python (in a notebook, the kernel): options stay for as long as it runs",
                )
            return known
        self._check(type_name, name, options)
        block = f"{type_name}Options" if type_name.isidentifier() else f"{name.title().replace('_', '')}Options"
        folder = self.package.replace(".", "/")
        file = descriptor_pb2.FileDescriptorProto(name=f"{folder}/{name}.proto", package=self.package, syntax="proto2")
        file.dependency.extend(["lungo.proto", "caffe.proto"])
        message = file.message_type.add(name=block)
        for one in options:
            self._add_field(message, one)
        file.extension.add(
            name=name, number=_number(name, _FIRST), type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_OPTIONAL,
            type_name=f".{self.package}.{block}", extendee=f".{self.holder}",
        )  # fmt: skip
        try:
            schema.pool().Add(file)
            extension = schema.pool().FindExtensionByName(f"{self.package}.{name}")
        except TypeError as error:
            raise ValueError(f"the options of {self.what} {type_name} clash with those of another: {error}") from None
        schema.message_class(f"{self.package}.{block}")
        found = self._declared[name] = OptionBlock(name, options, extension)
        for listener in self._listeners:
            listener(found)
        return found

    def declared(self, listener: Callable[[OptionBlock], None] | None = None) -> list[OptionBlock]:
        """Everything that has been declared; ``listener`` is called with what is declared later."""
        self.load()
        if listener is not None:
            self._listeners.append(listener)
        return list(self._declared.values())

    def value(self, message: Any, name: str) -> Any:
        """The block ``name`` of ``message``, one of ``holder``, with defaults where it is silent."""
        return message.Extensions[self._declared[name].extension]

    def option(self, message: str, name: str) -> Option | None:
        """The option ``name`` of the block whose message has this full name; None for anything else."""
        if not message.startswith(f"{self.package}."):
            return None
        block = next((one for one in self._declared.values() if one.message == message), None)
        return next((one for one in block.options if one.name == name), None) if block is not None else None

    def _add_field(self, message: Any, option: Option) -> None:
        label = _FIELD.LABEL_REPEATED if option.repeated else _FIELD.LABEL_OPTIONAL
        field = message.field.add(name=option.name, number=_number(option.name, 1), label=label)
        if option.repeated:
            field.type = _TYPES[type(option.default)]
        elif option.default == FILLER and not option.choices:
            field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".caffe.{FILLER}"
        elif option.choices:
            words = message.enum_type.add(name=f"{option.name.title().replace('_', '')}Choice")
            for number, word in enumerate(option.choices):
                words.value.add(name=word, number=number)
            field.type, field.type_name = _FIELD.TYPE_ENUM, f".{self.package}.{message.name}.{words.name}"
            field.default_value = str(option.default)
        else:
            field.type = _TYPES[type(option.default)]
            text = str(option.default)
            field.default_value = text.lower() if isinstance(option.default, bool) else text

    def _check(self, type_name: str, name: str, options: tuple[Option, ...]) -> None:
        def refuse(what: str) -> ValueError:
            return ValueError(f"{self.what} {type_name}: {what}")

        if name in schema.descriptor(self.holder).fields_by_name:
            raise refuse(f"`{name}` is a field of {self.holder} already; choose another name for the type")
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
            if one.repeated and not number:
                raise refuse(f"option {one.name!r} must be a number to be repeated")
            if number and not one.bounds.admits(float(one.default)):
                raise refuse(f"the default of option {one.name!r} is out of its range")


def _number(name: str, first: int) -> int:
    """The number on the wire that follows from ``name``."""
    digest = hashlib.sha256(name.encode()).digest()
    number = first + int.from_bytes(digest[:8], "big") % (_LAST - first + 1)
    return number if number not in _RESERVED else _number(f"{name}'", first)


LAYERS = OptionBlocks("lungo.LayerExtras", "lungo.options", "layer type", lambda: layer_provider.load_types)
AUGMENTATIONS = OptionBlocks(
    "lungo.Augmentation", "lungo.augmentations", "augmentation", lambda: augmentation_provider.load_augmentations
)


def load() -> None:
    """Let all that can declare options do so, as before a binary file is read."""
    LAYERS.load()
    AUGMENTATIONS.load()


def option(message: str, name: str) -> Option | None:
    """The option ``name`` of the declared block whose message has this full name; None for anything else."""
    return LAYERS.option(message, name) or AUGMENTATIONS.option(message, name)
