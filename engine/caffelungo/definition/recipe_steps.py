"""The steps of a recipe: a field of ``lungo.Step`` for each pass that declares one, as if the schema had it.

    a pass declares a message of its options                     step { slow { layer: "conv*" factor: 0.5 } }

Each declaration becomes a message in the private pool and an extension of ``lungo.Step``. Recipes are text and never
written in binary, so the numbers of these fields mean nothing beyond this process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2

from caffelungo.bounds import ANY, Bounds
from caffelungo.definition import pass_provider, schema
from caffelungo.errors import UserError

STEP = "lungo.Step"
"""The message whose fields are the passes."""
PACKAGE = "lungo.steps"

_FIRST = 1000


@dataclass(frozen=True)
class Declared:
    """One step: its name, the field of ``STEP`` that holds it, and the ranges of the numbers in it.

    ``bounds`` is by field, and by ``Message.field`` for those of a message within the step's.
    """

    key: str
    extension: Any
    bounds: Mapping[str, Bounds] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The full name of the step's message."""
        return str(self.extension.message_type.full_name)


_declared: dict[str, Declared] = {}
_listeners: list[Callable[[Declared], None]] = []


def load() -> None:
    """Let every pass declare its step, if that has not been done."""
    if pass_provider.load_passes is not None:
        pass_provider.load_passes()


def declare(name: str, message: Any, bounds: Mapping[str, Bounds]) -> Declared:
    """Make the DescriptorProto ``message`` the step called ``name``; a second time with the same one changes nothing.

    UserError for a name that is no plain word, or that already means something else.
    """
    if known := _declared.get(name):
        now = descriptor_pb2.DescriptorProto()
        known.extension.message_type.CopyToProto(now)
        if now.SerializeToString(deterministic=True) != message.SerializeToString(deterministic=True):
            raise UserError(
                f"the options of the recipe step {name!r} were declared otherwise before in this process",
                remedy="restart Python (in a notebook, the kernel): options stay for as long as it runs",
            )
        return known
    if not name.isidentifier() or name != name.lower():
        raise UserError(
            "a recipe step is called by a plain word in lower case",
            received=repr(name),
            remedy="use letters, digits and underscores, or register the pass with in_recipe=False",
        )
    file = descriptor_pb2.FileDescriptorProto(name=f"lungo/steps/{name}.proto", package=PACKAGE, syntax="proto2")
    file.dependency.append("lungo.proto")
    file.message_type.append(message)
    file.extension.add(
        name=name, number=_FIRST + len(_declared), type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL, type_name=f".{PACKAGE}.{message.name}",
        extendee=f".{STEP}",
    )  # fmt: skip
    try:
        schema.pool().Add(file)
        extension = schema.pool().FindExtensionByName(f"{PACKAGE}.{name}")
    except TypeError as error:
        raise UserError(
            f"the recipe step {name!r} clashes with another one", received=str(error), remedy="give it another name"
        ) from None
    schema.message_class(f"{PACKAGE}.{message.name}")
    found = _declared[name] = Declared(name, extension, dict(bounds))
    for tell in _listeners:
        tell(found)
    return found


def declared(listener: Callable[[Declared], None] | None = None) -> list[Declared]:
    """Every step that passes have declared; ``listener`` is called for what is declared later."""
    load()
    if listener is not None:
        _listeners.append(listener)
    return list(_declared.values())


def range_of(message: str, name: str) -> Bounds | None:
    """The range of field ``name`` of the message with this full name; None where that is no step nor part of one."""
    if not message.startswith(f"{PACKAGE}."):
        return None
    for step in _declared.values():
        if message == step.message:
            return step.bounds.get(name, ANY)
        if message.startswith(f"{step.message}."):
            return step.bounds.get(f"{message.removeprefix(f'{step.message}.')}.{name}", ANY)
    return None
