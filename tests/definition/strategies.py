"""Hypothesis strategies: messages of any schema and edits of a net."""

from __future__ import annotations

from typing import Any

from google.protobuf import message_factory
from hypothesis import strategies as st

from caffelungo.definition import schema
from caffelungo.definition.edits import ClearField, DeleteLayer, InsertLayer, MoveLayer, RenameBlob, SetField
from caffelungo.definition.fields import FieldInfo, MessageInfo, message_info
from caffelungo.definition.values import print_value

DEPTH = 3

NAMES = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["data", "conv1", 'a"b', "c\\d", "é\n#x"])


def scalars(info: FieldInfo) -> st.SearchStrategy[Any]:
    """Values of one scalar field."""
    match info.kind:
        case "int":
            return st.integers(info.low, info.high)
        case "float":
            wide = info.descriptor.type == info.descriptor.TYPE_DOUBLE
            return st.floats(width=64 if wide else 32, allow_nan=False) | st.sampled_from(
                [0.0, 1.0, 10.0, 0.1, 1e-4, 1e39]
            )
        case "bool":
            return st.booleans()
        case "enum":
            return st.sampled_from(list(info.numbers))
        case "bytes":
            return st.binary(max_size=4)
    return NAMES


@st.composite
def messages(draw: st.DrawFn, info: MessageInfo, depth: int = DEPTH) -> Any:
    """A message with a few of its fields set, all required ones among them."""
    known = message_info(info) if isinstance(info, str) else info
    kind = next(iter(_classes(known)))
    result = kind()
    names = [name for name, field in known.fields.items() if depth or field.kind != "message"]
    names = [name for name in names if name not in ("blobs", "lungo")] or list(known.fields)
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True)) if names else []
    for name in {*chosen, *known.required}:
        field = known.fields[name]
        values = messages(field.message, depth - 1) if field.kind == "message" else scalars(field)
        if field.repeated:
            for value in draw(st.lists(values, min_size=1, max_size=3)):
                target = getattr(result, name)
                target.add().CopyFrom(value) if field.kind == "message" else target.append(value)
        elif field.kind == "message":
            getattr(result, name).CopyFrom(draw(values))
            getattr(result, name).SetInParent()
        else:
            setattr(result, name, draw(values))
    return result


def _classes(info: MessageInfo) -> list[Any]:
    for package in ("caffe", "lungo"):
        try:
            return [message_factory.GetMessageClass(schema.pool().FindMessageTypeByName(f"{package}.{info.name}"))]
        except KeyError:
            continue
    raise AssertionError(info.name)


LAYER = message_info("caffe.LayerParameter")
NET = message_info("caffe.NetParameter")


@st.composite
def paths(draw: st.DrawFn, info: MessageInfo, message: Any | None, clearing: bool) -> tuple[Any, ...]:
    """A path below a message to something that may be set (with the value as its last part) or cleared."""
    names = [name for name in info.fields if name not in ("lungo", "blobs", "layers", "layer", "clip_param")]
    if message is not None and draw(st.booleans()) and message.ListFields():
        present = [field.name for field, _ in message.ListFields() if field.name in names]
        names = present or names
    field = info.fields[draw(st.sampled_from(names))]
    if field.kind == "message" and draw(st.booleans()):
        below = None
        index: tuple[int, ...] = ()
        if field.repeated:
            count = len(getattr(message, field.name)) if message is not None else 0
            at = draw(st.integers(0, count if not clearing else max(count - 1, 0)))
            index = (at,)
            below = getattr(message, field.name)[at] if at < count else None
        elif message is not None and message.HasField(field.name):
            below = getattr(message, field.name)
        return (field.name, *index, *draw(paths(field.message, below, clearing)))
    value = messages(field.message, 1) if field.kind == "message" else scalars(field)
    if not field.repeated:
        return (field.name, draw(value))
    count = len(getattr(message, field.name)) if message is not None else 0
    if draw(st.booleans()):
        return (field.name, draw(st.lists(value, max_size=3)))
    return (field.name, draw(st.integers(0, count if not clearing else max(count - 1, 0))), draw(value))


@st.composite
def edits(draw: st.DrawFn, net: Any) -> list[Any]:
    """A batch of one to five edits of a net."""
    count = len(net.layer)
    result: list[Any] = []
    moved: set[int] = set()
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["insert", "delete", "move", "set", "set", "clear", "rename", "root"]))
        at = draw(st.integers(0, count))
        index = draw(st.integers(0, max(count - 1, 0)))
        if kind == "insert" or not count:
            comment = draw(st.none() | st.sampled_from(["why", "two\nlines"]))
            result.append(InsertLayer(at, draw(messages(LAYER)), comment))
        elif kind == "delete":
            result.append(DeleteLayer(index))
        elif kind == "move" and index not in moved:
            moved.add(index)
            result.append(MoveLayer(index, at))
        elif kind == "set":
            path = draw(paths(LAYER, net.layer[index], False))
            result.append(SetField(("layer", index, *path[:-1]), path[-1]))
        elif kind == "clear":
            path = draw(paths(LAYER, net.layer[index], True))
            result.append(ClearField(("layer", index, *path[:-1])))
        elif kind == "rename":
            blobs = [*net.layer[index].bottom, *net.layer[index].top] or ["data"]
            result.append(RenameBlob(draw(st.sampled_from(blobs)), draw(NAMES), draw(st.integers(0, count))))
        elif kind == "root":
            path = draw(paths(NET, net, False))
            result.append(SetField(path[:-1], path[-1]))
    return result


GAPS = st.sampled_from([" ", "\n", "\n  ", "\t", "  # why\n", "\n# line\n", "\r\n", "\n\n", " #{ }\n\t"])
NO_GAP = st.sampled_from(["", "", " ", "\n"])


@st.composite
def written(draw: st.DrawFn, message: Any) -> str:
    """``message`` written by hand: any of the text format's forms, any white space, comments anywhere."""
    info = message_info(message.DESCRIPTOR.full_name)
    parts = []
    for descriptor, value in message.ListFields():
        field = info.fields[descriptor.name]
        values = list(value) if field.repeated else [value]
        shown = [draw(_value(field, item)) for item in values]
        colon = ":" if field.kind != "message" or draw(st.booleans()) else ""
        if field.repeated and draw(st.booleans()):
            joined = f"{draw(NO_GAP)},{draw(GAPS)}".join(shown)
            parts.append(f"{field.name}{draw(NO_GAP)}{colon}{draw(NO_GAP)}[{draw(NO_GAP)}{joined}{draw(NO_GAP)}]")
        else:
            parts += [f"{field.name}{draw(NO_GAP)}{colon}{draw(NO_GAP)}{item}" for item in shown]
    text = draw(st.sampled_from(["", "\n", "# head\n\n"]))
    for part in parts:
        text += part + draw(st.sampled_from(["", "", "", ",", ";", " ,"])) + draw(GAPS)
    return text


@st.composite
def _value(draw: st.DrawFn, field: FieldInfo, value: Any) -> str:
    if field.kind != "message":
        return print_value(field, value)
    opening, closing = draw(st.sampled_from([("{", "}"), ("{", "}"), ("<", ">")]))
    return opening + draw(NO_GAP) + draw(written(value)) + closing
