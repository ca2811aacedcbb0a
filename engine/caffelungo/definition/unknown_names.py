"""The remedy for a field that its message does not have: a near name, the right place, today's form, or its fork."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.definition import fork_layer_fields, fork_solver
from caffelungo.definition.fields import MessageInfo, message_info
from caffelungo.definition.forks import costs_nothing, fork_of
from caffelungo.definition.misspelt import near_field
from caffelungo.definition.option_blocks import AUGMENTATIONS, LAYERS, key
from caffelungo.definition.upgrade import V1_TYPES
from caffelungo.definition.upgrade_v0 import FIELDS as V0_FIELDS
from caffelungo.visible import shortened

_SHOWN = 3
_LONGEST = 60
_ALWAYS_LISTED = 12


def unknown_field(
    info: MessageInfo, name: str, around: Sequence[MessageInfo], type_name: str | None = None
) -> tuple[str, str]:
    """What is wrong with field ``name`` in message ``info`` and what to do.

    ``around`` are the enclosing messages, ``type_name`` is the type of the layer, or of the augmentation, that the
    field was written in.
    """
    block = block_name(info, around)
    what = f"{block} has no field `{shortened(name, _LONGEST)}`"
    own = _own_option(info, name, type_name)
    if fork := fork_of(info.name, name):
        if own:
            return f"{what}; it comes from {fork}", own
        if info.name == "SolverParameter":
            return f"{what}; it comes from {fork}", fork_solver.remedy(name)
        if written := fork_layer_fields.remedy(info.name, name):
            return f"{what}; it comes from {fork}", written
        instead = ", or write the net with the layers that `lungo layers` lists"
        if costs_nothing(info.name, name):
            instead = ""  # nothing that `lungo layers` lists replaces it
        place = _elsewhere(info, name, around)
        caffes = f"; if Caffe's is meant, {place}" if place else ""
        return f"{what}; it comes from {fork}", f"delete it{instead}{caffes}"
    return what, own or _old_form(info, name) or _elsewhere(info, name, around) or _near(info, name, block)


def block_name(info: MessageInfo, around: Sequence[MessageInfo]) -> str:
    """What a message calls the block of ``info``: a message of Caffe by its name, one of ours as it is written."""
    fields = around[-1].fields.values() if around else ()
    ours = (one for one in fields if one.kind == "message" and one.type_name.startswith("lungo."))
    return next((f"`{one.name}`" for one in ours if one.message is info), info.name)


def other_kind(root: MessageInfo, name: str, first: bool) -> tuple[str, str] | None:
    """What is wrong and what to do if field ``name`` shows that the file is no ``root`` but another kind of file."""
    if root.name == "NetParameter":
        if name == "item" and first:
            return "this is a label map (of SSD), not a net", "name the net's .prototxt"
        if name in message_info("caffe.SolverParameter").fields and first:
            return "this looks like a solver, not a net", "name the net's file here, and this one as the solver"
    elif root.name == "SolverParameter" and name in ("layer", "layers", "input", "name", "input_dim", "input_shape"):
        return "this looks like a net, not a solver", "name the solver's file here, which names the net in `net:`"
    return None


def _own_option(info: MessageInfo, name: str, type_name: str | None) -> str | None:
    """Where to write a block of options that a layer type declares itself, or one of them, that is elsewhere."""
    if info.name == "Augmentation":
        return _option_of_augmentation(info, name, type_name)
    if info.name not in ("LayerParameter", "V1LayerParameter", "LayerExtras"):
        return None
    blocks = {one.key: [option.name for option in one.options] for one in LAYERS.declared()}
    mine = key(type_name or "")
    if option := near_field(name, blocks.get(mine, ())):
        return f"write lungo {{ {mine} {{ {option}: ... }} }}"
    meant = near_field(name.removesuffix("_param"), blocks)
    if info.name == "LayerExtras" or meant is None or near_field(name, info.fields):
        return None
    return f"write lungo {{ {meant} {{ ... }} }}"


def _option_of_augmentation(info: MessageInfo, name: str, type_name: str | None) -> str | None:
    mine = key(type_name or "")
    block = next((one for one in AUGMENTATIONS.declared() if one.key == mine), None)
    if block is None:
        return None
    known = [one.name for one in block.options]
    if option := near_field(name, known):
        return f"write {mine} {{ {option}: ... }}"
    return None if near_field(name, info.fields) else f"write {mine} {{ ... }}, with any of {', '.join(known)}"


def _old_form(info: MessageInfo, name: str) -> str | None:
    if info.name != "LayerParameter":
        return None
    if name == "blobs_lr":
        return "in a `layer` block write `param { lr_mult: ... }` instead"
    if name == "weight_decay":
        return "in a `layer` block write `param { decay_mult: ... }` instead"
    if name in V0_FIELDS:
        places = sorted({f"{target} {{ {V0_FIELDS[name][1]}: ... }}" for target in V0_FIELDS[name][0].values()})
        return f"write {' or '.join(places[:_SHOWN])}"
    return None


def _elsewhere(info: MessageInfo, name: str, around: Sequence[MessageInfo]) -> str | None:
    for depth in reversed(range(len(around))):
        if name in around[depth].fields:
            block = block_name(around[depth], around[:depth])
            return f"`{name}` is a field of {block}: move it out of this block, or close the block before it"
    inside = [field.name for field in info.fields.values() if field.kind == "message" and name in field.message.fields]
    if not inside or near_field(name, info.fields):
        return None
    more = ", ..." if len(inside) > _SHOWN else ""
    return f"move it into the block it belongs to: {', '.join(inside[:_SHOWN])}{more}"


def _near(info: MessageInfo, name: str, block: str) -> str:
    if near := near_field(name, info.fields):
        return f"did you mean `{near}`?"
    if len(info.fields) <= _ALWAYS_LISTED:
        return f"{block} has {', '.join(info.fields)}"
    return "correct the name or delete the field"


def layer_type(message: str, field: str, text: str) -> str | None:
    """The remedy for a layer's type written in the other format's manner (`CONVOLUTION` and `"Convolution"`)."""
    if field != "type":
        return None
    if message == "LayerParameter" and text in V1_TYPES:
        return f'write type: "{V1_TYPES[text]}"'
    if message == "V1LayerParameter":
        bare = text.strip("\"'")
        for old, new in V1_TYPES.items():
            if new == bare:
                return f"write `layer` instead of `layers` around it, or type: {old}"
    return None
