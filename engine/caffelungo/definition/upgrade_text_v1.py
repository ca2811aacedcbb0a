"""The text of a V1 layer (`layers { type: RELU blobs_lr: 1 }`) becomes a `layer`, token by token."""

from __future__ import annotations

from caffelungo.definition import layout
from caffelungo.definition.comments import dropped
from caffelungo.definition.layout import Layout
from caffelungo.definition.splices import Splice
from caffelungo.definition.tree import Block, Field, Scalar
from caffelungo.definition.upgrade import TRANSFORM_FIELDS, TRANSFORM_MESSAGES, V1_TYPES

_SPEC_FIELDS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}
"""V1 field -> the field of ParamSpec, in the order of ParamSpec."""


def v1_layer(text: str, entry: Field, block: Block, style: Layout) -> list[Splice]:
    """The replacements that make the `layers` field ``entry`` a `layer`."""
    result = [Splice(entry.start, entry.start + len("layers"), "layer")]
    kind = ""
    for field, index in block.values("type"):
        value = field.values[index]
        assert isinstance(value, Scalar)
        kind = field.info.numbers[value.value]
        result.append(Splice(value.start, value.end, f'"{V1_TYPES[kind]}"'))
    result += param_splices(text, block, style)
    if kind in TRANSFORM_MESSAGES:
        result += _transforms(text, block, TRANSFORM_MESSAGES[kind], style)
    return result


def param_splices(text: str, block: Block, style: Layout) -> list[Splice]:
    """`blobs_lr`, `weight_decay`, `param` and `blob_share_mode` become `param { }`, each at the place of its first."""
    specs = param_specs(text, block)
    fields = [entry for entry in block.fields if entry.info.name in _SPEC_FIELDS]
    if not fields:
        return []
    names = sorted(_SPEC_FIELDS, key=lambda name: (len(block.values(name)) != len(specs), name != "blobs_lr"))
    anchors = [entry for entry in fields if entry.info.name == names[0]]
    if len(anchors) != len(specs):
        anchors = anchors[:1]
    result = [dropped(text, entry) for entry in fields if entry not in anchors]
    for number, anchor in enumerate(anchors):
        mine = specs[number : number + 1] if number + 1 < len(anchors) else specs[number:]
        alone = layout.starts_line(text, anchor.start)
        separator = style.newline + layout.indent_of(text, anchor.start) if alone else " "
        result.append(Splice(anchor.start, anchor.end, separator.join(mine)))
    return result


def param_specs(text: str, block: Block) -> list[str]:
    """The `param { }` blocks that the old fields of a layer make together."""
    specs: list[list[str]] = []
    for name, today in _SPEC_FIELDS.items():
        for number, (entry, index) in enumerate(block.values(name)):
            while len(specs) <= number:
                specs.append([])
            value = entry.values[index]
            specs[number].append(f"{today}: {text[value.start : value.end]}")
    return [f"param {{ {' '.join(parts)} }}" if parts else "param { }" for parts in specs]


def _transforms(text: str, block: Block, name: str, style: Layout) -> list[Splice]:
    """The transformation fields of a data layer's own message move, with their comments, to `transform_param`."""
    options = block.values(name)
    if not options or block.values("transform_param"):
        return []
    field, data = options[0][0], options[0][0].values[0]
    assert isinstance(data, Block)
    moved = [entry for entry in data.fields if entry.info.name in TRANSFORM_FIELDS]
    if not moved:
        return []
    result, lines = [], []
    for entry in moved:
        start, end = layout.span(text, entry)
        start = max(start, data.start + 1)
        behind = layout.behind_line(text, layout.behind_separator(text, entry.end))
        if layout.starts_line(text, entry.start) and behind is not None:
            result.append(Splice(start, end, ""))
            lines += [line.strip() for line in text[start:end].splitlines()]
        else:
            result.append(Splice(entry.start, end, ""))
            lines.append(text[entry.start : entry.end])
    indent = layout.indent_of(text, field.start)
    if not layout.starts_line(text, field.start):
        if any("#" in line for line in lines):
            return []
        return [Splice(field.start, field.start, f"transform_param {{ {' '.join(lines)} }} "), *result]
    inner = [f"{indent}{style.unit}{line}" for line in lines]
    shown = style.newline.join(["transform_param {", *inner, f"{indent}}}", indent])
    return [Splice(field.start, field.start, shown), *result]
