"""Makes up for classes of different sizes in training: in the loss, or by how often each class is drawn.

before:  data (TRAIN) -> ... -> fc8 -> loss
after:   --balance inverse      loss { lungo { softmax_with_loss { class_weights: inverse } } }   (effective: likewise)
         --balance logits       loss { lungo { softmax_with_loss { logit_adjustment: 1 } } }
         --balance sampling     data { lungo { image_data { class_balanced: true } } }
         --balance none         nothing of these
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from caffelungo.definition import layer_options
from caffelungo.definition.definition import Definition
from caffelungo.definition.edits import ClearField, Edit, SetField
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Location
from caffelungo.layers import class_balance
from caffelungo.layers.class_balance import EFFECTIVE, INVERSE, NONE
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.option_fields import option
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import View

SAMPLING, LOGITS = "sampling", "logits"
WORDS = (*class_balance.WORDS, SAMPLING, LOGITS)
DRAWING = ("ImageData", "Data")
"""Types of data layers that can draw every class equally often."""
SAID = {
    INVERSE: "weighs each class by the inverse of its number of samples",
    EFFECTIVE: "weighs each class by the inverse of its effective number of samples",
    SAMPLING: "draws every class equally often",
    LOGITS: "adds the logarithms of the classes' shares to the scores it reads",
    NONE: "treats all samples alike",
}


@dataclass(frozen=True)
class BalanceOptions:
    """``by``: a word of ``WORDS``."""

    by: str = option(
        "Correction for classes of different sizes: weights in the loss by inverse or effective number, class-balanced "
        "sampling, logit adjustment, or none.", choices=WORDS, flag="--balance", asks=True,
    )  # fmt: skip


@register("balance", verb=REWRITE, order=217, help="A correction for classes of different sizes.")
def balance(view: View, options: BalanceOptions) -> Rewrite:
    """The rewrite; Refusal where the net has no loss over labels or no pictures to draw, or is as asked for already."""
    edits: list[Edit] = []
    notes: list[Note] = []
    trained = {one.index for one in view.graphs[TRAIN].plan.layers} if TRAIN in view.graphs else set()
    layers = list(enumerate(view.net.layer))
    losses = [(index, layer) for index, layer in layers if layer.type == "SoftmaxWithLoss"]
    sources = [(index, layer) for index, layer in layers if layer.type in DRAWING and index in trained]
    sampled = options.by == SAMPLING
    if sampled and not sources:
        raise _refused(view, "no data layer of phase TRAIN can draw every class equally often", "write an ImageData or "
                       "Data layer, or choose --balance inverse")  # fmt: skip
    if options.by in (INVERSE, EFFECTIVE, LOGITS) and not losses:
        raise _refused(view, "the net has no SoftmaxWithLoss", "give the net that trains, or choose --balance sampling")
    weighed = {"class_weights": options.by if options.by in (INVERSE, EFFECTIVE) else None,
               "logit_adjustment": 1.0 if options.by == LOGITS else None, "class_weight": None}  # fmt: skip
    drawn = {"class_balanced": True if sampled else None}
    changes: list[tuple[int, Any, dict[str, Any], str]] = [
        (*one, weighed, SAID[NONE if sampled else options.by]) for one in losses
    ]
    changes += [(*one, drawn, SAID[SAMPLING] if sampled else "draws samples as they come") for one in sources]
    for index, layer, wanted, does in changes:
        changed = list(_changes(index, layer, wanted))
        edits += changed
        if changed:
            notes.append(Note(f"`{layer.name}` {does}", view.where(index)))
    if not edits:
        raise _refused(view, "the net does this already", "choose another word", options.by)
    return Rewrite(tuple(edits), (), tuple(notes))


def correction_of(definition: Definition) -> str:
    """What the train net of ``definition`` does, as a word of ``WORDS``; weights given by hand are none of them."""
    return correction_and_loss(definition)[0]


def correction_and_loss(definition: Definition) -> tuple[str, Any]:
    """The word, and the block of options of the loss that does it; None where none does."""
    state = net_state(definition.message, TRAIN)
    layers = [layer for layer in definition.message.layer if included(layer, state)]
    for layer in reversed(layers):
        block = _block(layer) if layer.type == "SoftmaxWithLoss" else None
        if block is not None and block.logit_adjustment:
            return LOGITS, block
        if block is not None and block.class_weights:
            return class_balance.WORDS[block.class_weights], block
    drawn = any(layer.type in DRAWING and _block(layer).class_balanced for layer in layers)
    return (SAMPLING if drawn else NONE), None


def _block(layer: Any) -> Any:
    layer_options.load()
    return layer_options.value(layer.lungo, layer_options.key(layer.type))


def _changes(index: int, layer: Any, wanted: dict[str, Any]) -> Iterator[Edit]:
    """Edits after which the block of ``layer`` has ``wanted``; None: the field is gone."""
    key, block = layer_options.key(layer.type), _block(layer)
    set_here = {field.name for field, _ in block.ListFields()}
    for name, value in wanted.items():
        path = ("layer", index, "lungo", key, name)
        if value is None and name in set_here:
            yield ClearField(path)
        elif value is not None and not _is(block, name, value):
            yield SetField(path, value)


def _is(block: Any, name: str, value: Any) -> bool:
    found = getattr(block, name)
    if isinstance(value, str):
        word = type(block).DESCRIPTOR.fields_by_name[name].enum_type
        return str(word.values_by_number[found].name) == value
    return bool(found == value)


def _refused(view: View, what: str, remedy: str, received: str | None = None) -> Refusal:
    return Refusal(what, Location(str(view.definition.path)), received=received, remedy=remedy)
