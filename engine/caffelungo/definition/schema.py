"""Caffe's messages and ours, in a private descriptor pool, from the serialized descriptor set in ``proto/``.

The pool is private so that another package's ``caffe.proto`` in the same process does not clash with this one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor

from caffelungo import resources


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """The private descriptor pool holding ``lungo.proto`` and ``caffe.proto``."""
    files = descriptor_pb2.FileDescriptorSet.FromString((resources.folder("proto") / "caffelungo.desc").read_bytes())
    result = descriptor_pool.DescriptorPool()
    for file in files.file:
        result.Add(file)
    return result


@cache
def message_class(name: str) -> Any:
    """The message class called ``name``, as ``"LayerParameter"`` or ``"lungo.Preprocessing"``."""
    full = name if name.startswith("lungo.") else f"caffe.{name}"
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full))


def descriptor(name: str) -> Descriptor:
    """The descriptor of the message called ``name``."""
    result: Descriptor = message_class(name).DESCRIPTOR
    return result


def enum_value(name: str, label: str) -> int:
    """The number of ``label`` in the enum ``name``, as ``enum_value("Phase", "TRAIN")``."""
    return int(pool().FindEnumTypeByName(f"caffe.{name}").values_by_name[label].number)


def from_bytes(message: Any, data: bytes) -> Any:
    """The message of class ``message``, or of that name, in ``data``. Raises DecodeError for damage.

    A string that is not UTF-8, which protobuf gives as bytes, becomes a string with escapes.
    """
    result = (message_class(message) if isinstance(message, str) else message).FromString(data)
    _escape(result)
    return result


def _escape(message: Any) -> None:
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                _escape(one)
        elif field.type == field.TYPE_STRING:
            if not field.is_repeated:
                if isinstance(value, bytes):
                    setattr(message, field.name, value.decode("utf-8", "backslashreplace"))
            elif any(isinstance(one, bytes) for one in value):
                value[:] = [one.decode("utf-8", "backslashreplace") if isinstance(one, bytes) else one for one in value]


TRAIN = 0
TEST = 1
PHASE_NAMES = {TRAIN: "TRAIN", TEST: "TEST"}

NetParameter: Any = message_class("NetParameter")
LayerParameter: Any = message_class("LayerParameter")
SolverParameter: Any = message_class("SolverParameter")
SolverState: Any = message_class("SolverState")
NetState: Any = message_class("NetState")
NetStateRule: Any = message_class("NetStateRule")
BlobProto: Any = message_class("BlobProto")
BlobShape: Any = message_class("BlobShape")
Datum: Any = message_class("Datum")
FillerParameter: Any = message_class("FillerParameter")
ParamSpec: Any = message_class("ParamSpec")
TransformationParameter: Any = message_class("TransformationParameter")
Preprocessing: Any = message_class("lungo.Preprocessing")
Recipe: Any = message_class("lungo.Recipe")
