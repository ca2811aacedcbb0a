"""The text of an old definition becomes today's, comments kept, so that it reads as the upgraded message.

Known forms are rewritten in place (`layers` -> `layer`, `type: RELU` -> `type: "ReLU"`, `blobs_lr` -> `param`,
`input` -> an Input layer); what then still differs from the upgraded message is set field by field.
"""

from __future__ import annotations

from typing import Any

from caffelungo.definition import layout, message_edits, text_edits
from caffelungo.definition.comments import comments_between, dropped
from caffelungo.definition.layout import Layout
from caffelungo.definition.parser import parse
from caffelungo.definition.printer import print_lines
from caffelungo.definition.schema import LayerParameter, NetParameter
from caffelungo.definition.splices import Splice, apply_splices, narrowed
from caffelungo.definition.tree import Block, Document, Field, LineTable, Scalar
from caffelungo.definition.upgrade import SOLVER_TYPES
from caffelungo.definition.upgrade_text_v0 import is_v0, v0_kind, v0_layer
from caffelungo.definition.upgrade_text_v1 import v1_layer

_NESTED_NETS = ("net_param", "train_net_param", "test_net_param")


def upgrade_splices(document: Document, message: Any) -> list[Splice]:
    """The replacements in an old definition's text that make it say ``message``, its upgraded message.

    Where they cannot, the caller finds out by reading the result.
    """
    style = layout.layout_of(document)
    if isinstance(message, NetParameter):
        return _net(document.text, document.root, message, style)
    result = []
    for entry, index in document.root.values("solver_type"):
        value = entry.values[index]
        assert isinstance(value, Scalar)
        name = entry.info.numbers[value.value]
        result.append(Splice(entry.start, entry.end, f'type: "{SOLVER_TYPES[name]}"'))
    for field in _NESTED_NETS:
        nets = [getattr(message, field)] if field != "test_net_param" else list(message.test_net_param)
        for (entry, index), net in zip(document.root.values(field), nets, strict=False):
            block = entry.values[index]
            assert isinstance(block, Block)
            result += _net(document.text, block, net, style)
    return result


def _net(text: str, root: Block, net: Any, style: Layout) -> list[Splice]:
    result = []
    has_inputs = bool(root.values("input"))
    shaped = has_inputs and bool(root.values("input_shape") or root.values("input_dim"))
    if has_inputs:
        result += _inputs(text, root, net.layer[0] if shaped else None, style)
    entries = root.values("layers")
    if any(entry.listed for entry, _ in entries):
        return [Splice(0, 0, "")]
    spans = dict(zip((id(entry) for entry, _ in entries), _spans(text, entries), strict=True))
    at = int(shaped)
    for entry, _ in entries:
        block = entry.values[0]
        assert isinstance(block, Block)
        if v0_kind(block) == "padding":
            result.append(dropped(text, entry))
            continue
        result += _old_layer(text, entry, spans[id(entry)], net.layer[at], style)
        at += 1
    if not entries:
        result += _changed_layers(text, root, net, at, style)
    return result


def _spans(text: str, entries: list[tuple[Field, int]]) -> list[tuple[int, int]]:
    result, last = [], 0
    for entry, _ in entries:
        start, end = layout.span(text, entry)
        result.append((max(start, last), end))
        last = end
    return result


def _old_layer(text: str, entry: Field, span: tuple[int, int], target: Any, style: Layout) -> list[Splice]:
    """Rewrites one `layers` block as the `layer` block ``target``."""
    start, end = span
    block = entry.values[0]
    assert isinstance(block, Block)
    if is_v0(block):
        changes = [Splice(entry.start, entry.end, v0_layer(text, entry, style))]
    else:
        changes = v1_layer(text, entry, block, style)
    local = [Splice(item.start - start, item.end - start, item.text) for item in changes]
    stretch = apply_splices(text[start:end], local)
    repaired = _repaired(stretch, target, style)
    return changes if repaired == stretch else [narrowed(text, Splice(start, end, repaired))]


def _repaired(stretch: str, target: Any, style: Layout) -> str:
    """A stretch with one layer, changed until it says ``target``."""
    net = NetParameter()
    parse(stretch, net, LineTable("upgraded text", stretch), partial=True)
    if net.layer[0] == target:
        return stretch
    return text_edits.edited_layer(stretch, message_edits.difference(net.layer[0], target), style)


def _changed_layers(text: str, root: Block, net: Any, at: int, style: Layout) -> list[Splice]:
    """Today's layers that the upgrade changed: BatchNorm's learning rates."""
    result = []
    entries = root.values("layer")
    if any(entry.listed for entry, _ in entries):
        return [Splice(0, 0, "")]
    for span, target in zip(_spans(text, entries), net.layer[at:], strict=True):
        if target.type == "BatchNorm" and len(target.param) == 3:
            stretch = text[slice(*span)]
            repaired = _repaired(stretch, target, style)
            if repaired != stretch:
                result.append(narrowed(text, Splice(*span, repaired)))
    return result


def _inputs(text: str, root: Block, layer: Any | None, style: Layout) -> list[Splice]:
    """`input`, `input_shape` and `input_dim` become the Input layer, at the first of them."""
    fields = [entry for entry in root.fields if entry.info.name in ("input", "input_shape", "input_dim")]
    layers = [entry for entry in root.fields if entry.info.name in ("layer", "layers")]
    result = [dropped(text, entry) for entry in fields]
    if layer is None:
        return result
    first = fields[0]
    if layers and layers[0].start < first.start:
        place = layout.span(text, layers[0])[0]
        indent = layout.indent_of(text, layers[0].start)
        return [Splice(place, place, _printed(layer, indent, style) + style.newline), *result]
    comments = comments_between(text, first.start, first.end)
    indent = layout.indent_of(text, first.start)
    lines = [
        *(f"{comment}{style.newline}{indent}" for comment in comments),
        _printed(layer, indent, style).lstrip(" \t"),
    ]
    result[0] = Splice(first.start, layout.behind_separator(text, first.end), "".join(lines))
    return result


def _printed(layer: Any, indent: str, style: Layout) -> str:
    """An Input layer; each shape on one line."""
    inner, deep = indent + style.unit, indent + style.unit * 2
    shapes = []
    for shape in layer.input_param.shape:
        shapes.append(f"shape {{ {' '.join(f'dim: {dim}' for dim in shape.dim)} }}" if shape.dim else "shape { }")
    lines = [f"{indent}layer {{"]
    plain = LayerParameter(name=layer.name, type=layer.type, top=layer.top)
    lines += [inner + line for line in print_lines(plain)]
    if len(shapes) == 1:
        lines.append(f"{inner}input_param {{ {shapes[0]} }}")
    else:
        lines += [f"{inner}input_param {{", *(deep + shape for shape in shapes), f"{inner}}}"]
    return style.newline.join([*lines, f"{indent}}}"])
