"""What a text file may say: the fields of each message, as flat records that are read fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from caffelungo.definition import recipe_steps
from caffelungo.definition.option_blocks import AUGMENTATIONS, LAYERS, OptionBlock
from caffelungo.definition.schema import pool

_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
_KINDS = {
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_DOUBLE: "float",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
} | dict.fromkeys(_RANGES, "int")


@dataclass(frozen=True, eq=False)
class FieldInfo:
    """One field. ``kind`` is int, float, bool, string, bytes, enum or message; ``low`` and ``high`` bound an int."""

    name: str
    kind: str
    repeated: bool
    required: bool
    type_name: str
    low: int
    high: int
    labels: dict[str, int]
    descriptor: FieldDescriptor
    extension: bool = False

    def of(self, message: Any) -> Any:
        """The value of this field of ``message``."""
        return message.Extensions[self.descriptor] if self.extension else getattr(message, self.name)

    def given(self, message: Any) -> bool:
        """Whether ``message`` has this field, which is not repeated."""
        has = message.HasExtension(self.descriptor) if self.extension else message.HasField(self.name)
        return bool(has)

    def clear(self, message: Any) -> None:
        """Take this field out of ``message``."""
        if self.extension:
            message.ClearExtension(self.descriptor)
        else:
            message.ClearField(self.name)

    @cached_property
    def message(self) -> MessageInfo:
        """The fields of a message field's own message."""
        return message_info(self.type_name)

    @cached_property
    def numbers(self) -> dict[int, str]:
        """Number -> name of an enum field's values; the first name where several share a number."""
        return {number: name for name, number in reversed(self.labels.items())}


@dataclass(frozen=True, eq=False)
class MessageInfo:
    """One message: its short name and its fields by name."""

    name: str
    fields: dict[str, FieldInfo]
    required: tuple[str, ...]


_OPEN: dict[str, Callable[..., Iterable[OptionBlock | recipe_steps.Declared]]] = {
    LAYERS.holder: LAYERS.declared,
    AUGMENTATIONS.holder: AUGMENTATIONS.declared,
    recipe_steps.STEP: recipe_steps.declared,
}
"""Messages that get further fields from what layer types, augmentations and passes declare."""


@cache
def message_info(full_name: str) -> MessageInfo:
    """The record of the message with this full name, as ``"caffe.NetParameter"``."""
    descriptor = pool().FindMessageTypeByName(full_name)
    fields = {field.name: _field(field) for field in descriptor.fields}
    if (declared := _OPEN.get(full_name)) is not None:

        def add(block: OptionBlock | recipe_steps.Declared) -> None:
            fields[block.key] = _field(block.extension)

        for block in declared(add):
            add(block)
    return MessageInfo(descriptor.name, fields, tuple(name for name, field in fields.items() if field.required))


def _field(field: Any) -> FieldInfo:
    low, high = _RANGES.get(field.type, (0, 0))
    labels = {value.name: value.number for value in field.enum_type.values} if field.enum_type else {}
    return FieldInfo(
        name=field.name,
        kind=_KINDS[field.type],
        repeated=field.is_repeated,
        required=field.is_required,
        type_name=field.message_type.full_name if field.message_type else "",
        low=low,
        high=high,
        labels=labels,
        descriptor=field,
        extension=field.is_extension,
    )
