"""A classifier under a new name: what every pass does whose net has other classes, or another input to them.

    before:  layer { name: "fc8"      top: "fc8"      inner_product_param { num_output: 1000 } }  readers of "fc8"
    after:   layer { name: "fc8_pets" top: "fc8_pets" inner_product_param { num_output: 37 }
                     param { lr_mult: 10 decay_mult: 1 } param { lr_mult: 20 decay_mult: 0 } }     now of "fc8_pets"

Weights are copied by layer name, so a renamed layer starts from its filler and an old file still loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.definition.edits import Edit, RenameBlob, SetField
from caffelungo.definition.schema import FillerParameter
from caffelungo.layers.base import count, shape_text
from caffelungo.passes import moves
from caffelungo.passes.base import Note, Refusal
from caffelungo.passes.moves import Move
from caffelungo.passes.names import numbered
from caffelungo.passes.param_blocks import NEW, Rate, head_filler, options_field, set_rates, weak, weighted_blobs
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted


@dataclass(frozen=True)
class Fresh:
    """A classifier renamed: its new name, the blob it now makes, and what was done."""

    name: str
    top: str
    edits: list[Edit]
    notes: list[Note]


def fresh_head(
    view: View, head: PlannedLayer, suffix: str, classes: int | None = None, rates: tuple[Rate, Rate] = NEW
) -> Fresh:
    """Edits that rename ``head`` (and its top, where it is called alike), raise its rates and see to its fillers.

    With ``classes``, ``num_output`` is set too. Refuses when its weights are shared with a layer that keeps its name.
    """
    edits: list[Edit] = []
    notes: list[Note] = []
    new = view.free(numbered(head.name, suffix))
    positions = view.named(head.name)
    for use in head.params:
        name = head.layer.param.param[use.key[1]].name if use.key[1] < len(head.layer.param.param) else ""
        sharers = [one.name for one in view.plan.layers if one.index not in positions and _shares(one, name)]
        if name and sharers:
            raise Refusal(
                f"`{head.name}` shares its weights as `{name}` with `{sharers[0]}`, which would change with it",
                view.where(head.index, "param"),
                received=f'param {{ name: "{name}" }}',
                remedy="give one of the two params another name first",
            )
    for index in positions:
        layer = view.net.layer[index]
        options = options_field(layer)
        given = getattr(layer, options)
        edits.append(SetField(("layer", index, "name"), new))
        if classes is not None:
            edits.append(SetField(("layer", index, options, "num_output"), classes))
        if weak(given.weight_filler):
            edits.append(SetField(("layer", index, options, "weight_filler"), head_filler()))
        if given.bias_term and not given.HasField("bias_filler"):
            edits.append(SetField(("layer", index, options, "bias_filler"), FillerParameter(type="constant", value=0)))
        edits.extend(set_rates(index, layer, rates[: weighted_blobs(layer)]))
        was = f", {given.num_output} -> {counted(classes, 'output')}" if classes is not None else ""
        notes.append(
            Note(
                f"classifier `{head.name}` -> `{new}`{was}, lr_mult {rates[0][0]:g}/{rates[1][0]:g}",
                view.where(index),
                "weights are copied by name, so it is re-initialised"
                + (" and learns faster than the layers below it" if rates[0][0] > 1 else ""),
            )
        )
    if head.tops[0] == head.name:
        edits.append(RenameBlob(head.name, new, min(positions)))
    return Fresh(new, new if head.tops[0] == head.name else head.tops[0], edits, notes)


@dataclass(frozen=True)
class Kept:
    """A classifier that keeps its name and answers while it reads more: the moves of its weights, and what was done."""

    moves: list[Move]
    notes: list[Note]


def kept_head(view: View, head: PlannedLayer, channels: int, added: int, picks: Sequence[int] | None = None) -> Kept:
    """``head`` reads ``added`` channels behind the ``channels`` it reads now, and answers as before.

    The new columns are zero; with ``picks`` new channel k is a copy of the old one ``picks[k]``, and the old column is
    divided among it and its copies.
    """
    options = head.layer.options
    shape = head.bottom_shapes[0]
    inputs = None if shape is None else count(shape[1:])
    convolution = head.layer.type == "Convolution"
    if inputs is None or inputs % channels or (convolution and options.group > 1) or options.axis != 1:
        raise Refusal(
            f"it is not known which columns of `{head.name}` belong to which channel, so it cannot be kept",
            view.where(head.index),
            received=f"bottom {shape_text(shape)}, {counted(channels, 'channel')}",
            remedy="omit --keep-head: the classifier is then re-initialised under a new name",
        )
    for use in head.params:
        if any(one is not head and use.key in {other.key for other in one.params} for one in view.plan.layers):
            raise Refusal(
                f"`{head.name}` shares its weights, which would get another shape",
                view.where(head.index),
                remedy="give its params other names, or omit --keep-head",
            )
    width = 1 if convolution else inputs // channels
    axis = 0 if not convolution and options.transpose else 1
    if picks is None:
        work = [moves.pad(head.name, 0, axis, 0, added * width)]
        why = "the columns of the new units are zero, so the answers are the same at the first step"
    else:
        work = [moves.divide(head.name, 0, axis, tuple(picks), width)]
        why = "the columns of copied units are divided among the copies, so the answers are the same"
    return Kept(work, [Note(f"classifier `{head.name}` is kept", view.where(head.index), why)])


def _shares(planned: PlannedLayer, name: str) -> bool:
    return bool(name) and any(block.name == name for block in planned.layer.param.param)
