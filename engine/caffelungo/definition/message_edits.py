"""Edits on a message."""

from __future__ import annotations

from typing import Any

from caffelungo.definition.edits import ClearField, Path, RenameBlob, RenameField, SetField
from caffelungo.definition.fields import FieldInfo, message_info
from caffelungo.definition.sorted_edits import InnerEdit, SortedEdits
from caffelungo.wording import counted


def edited(message: Any, batch: SortedEdits) -> Any:
    """A copy of ``message`` with the batch applied."""
    result = type(message)()
    result.CopyFrom(message)
    for edit in batch.outer:
        change(result, edit)
    if not (batch.inner or batch.gone or batch.arrivals):
        return result
    for index, edits in batch.inner.items():
        for edit in edits:
            change(result.layer[index], edit)
    if not (batch.gone or batch.arrivals):
        return result
    old = list(result.layer)
    order: list[Any] = []
    for index in range(len(old) + 1):
        arrivals = batch.arrivals.get(index, [])
        order += [old[item] if isinstance(item, int) else item.layer for item in arrivals]
        if index < len(old) and index not in batch.gone:
            order.append(old[index])
    layers = [type(layer).FromString(layer.SerializePartialToString()) for layer in order]
    result.ClearField("layer")
    result.layer.extend(layers)
    return result


def change(message: Any, edit: InnerEdit) -> None:
    """Apply one edit, whose path begins in ``message``, in place."""
    if isinstance(edit, RenameBlob):
        for names in (message.bottom, message.top):
            for index, name in enumerate(names):
                if name == edit.old:
                    names[index] = edit.new
    elif isinstance(edit, ClearField):
        clear(message, edit.path)
    elif isinstance(edit, RenameField):
        rename(message, edit.path, edit.name)
    else:
        set_value(message, edit.path, edit.value)


def rename(message: Any, path: Path, name: str) -> None:
    """Turn the sub-message at ``path`` of ``message`` into the sub-message ``name`` (see ``edits.RenameField``)."""
    info, rest = field_at(message, path), path[1:]
    if rest:
        index, rest = (_index(rest[0]), rest[1:]) if info.repeated else (None, rest)
        value = info.of(message)
        rename(value if index is None else value[index], rest, name)
        return
    target = field_at(message, (name,))
    if not info.given(message):
        return
    old, new = info.of(message), target.of(message)
    new.SetInParent()
    for field, value in old.ListFields():
        below = field_at(new, (field.name,))
        if below.repeated:
            getattr(new, field.name).extend(value)
        elif below.kind == "message":
            below.of(new).CopyFrom(value)
        else:
            setattr(new, field.name, value)
    info.clear(message)


def set_value(message: Any, path: Path, value: Any) -> None:
    """Give the field at ``path`` of ``message`` a value (see ``edits.SetField``)."""
    if not path:
        message.CopyFrom(value)
        return
    info, rest = field_at(message, path), path[1:]
    if info.repeated:
        values = getattr(message, info.name)
        if not rest:
            message.ClearField(info.name)
            for item in value:
                _append(getattr(message, info.name), info, item)
            return
        index, rest = _index(rest[0]), rest[1:]
        if not 0 <= index <= len(values):
            raise IndexError(f"{info.name} has {counted(len(values), 'value')}, no place {index}")
        if info.kind == "message":
            set_value(values.add() if index == len(values) else values[index], rest, value)
        elif index == len(values):
            _append(values, info, value)
        else:
            values[index] = plain(info, value)
    elif info.kind == "message":
        below = info.of(message)
        below.SetInParent()
        set_value(below, rest, value)
    else:
        setattr(message, info.name, plain(info, value))


def clear(message: Any, path: Path) -> None:
    """Remove the field at ``path`` of ``message``, if it is there."""
    info, rest = field_at(message, path), path[1:]
    if not rest:
        info.clear(message)
    elif info.repeated:
        values, index = getattr(message, info.name), _index(rest[0])
        if 0 <= index < len(values):
            if len(rest) == 1:
                del values[index]
            else:
                clear(values[index], rest[1:])
    elif info.given(message):
        clear(info.of(message), rest)


def field_at(message: Any, path: Path) -> FieldInfo:
    """The field that ``path`` begins with; raises ValueError if the message has none of this name."""
    info = message_info(message.DESCRIPTOR.full_name)
    name = str(path[0])
    if name not in info.fields:
        raise ValueError(f"{info.name} has no field {name}")
    return info.fields[name]


def plain(info: FieldInfo, value: Any) -> Any:
    """``value`` as the message takes it: an enum's name becomes its number."""
    if info.kind == "enum" and isinstance(value, str):
        if value not in info.labels:
            raise ValueError(f"{info.name} has no value {value}")
        return info.labels[value]
    return value


def _append(values: Any, info: FieldInfo, value: Any) -> None:
    if info.kind == "message":
        values.add().CopyFrom(value)
    else:
        values.append(plain(info, value))


def _index(part: Any) -> int:
    if not isinstance(part, int):
        raise ValueError(f"expected an index, not {part!r}")
    return part


def difference(current: Any, target: Any, prefix: Path = ()) -> list[SetField | ClearField]:
    """Edits that make ``current`` equal to ``target``, a message of the same class."""
    result: list[SetField | ClearField] = []
    for info in message_info(target.DESCRIPTOR.full_name).fields.values():
        path, old, new = (*prefix, info.name), info.of(current), info.of(target)
        if info.repeated and info.kind == "message":
            for index, value in enumerate(new):
                here = (*path, index)
                result += difference(old[index], value, here) if index < len(old) else [SetField(here, value)]
            result += [ClearField((*path, index)) for index in reversed(range(len(new), len(old)))]
        elif info.repeated:
            if list(old) != list(new):
                result.append(SetField(path, list(new)))
        elif not info.given(target):
            if info.given(current):
                result.append(ClearField(path))
        elif info.kind == "message" and info.given(current):
            result += difference(old, new, path)
        elif old != new or not info.given(current):
            result.append(SetField(path, new))
    return result
