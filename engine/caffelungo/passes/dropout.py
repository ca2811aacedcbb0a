"""Another ratio for Dropout layers: less where few weights learn, more where few pictures teach many.

before:  fc6 -> drop6 (0.5) -> fc7 -> drop7 (0.5) -> fc8
after:   --dropout 0.2                           drop6 (0.2), drop7 (0.2)
         --dropout 0.2 --dropout-layer drop7     drop6 (0.5), drop7 (0.2)
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.bounds import Bounds
from caffelungo.definition.edits import SetField
from caffelungo.errors import Location
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.option_fields import option
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.select import select
from caffelungo.passes.view import View


@dataclass(frozen=True)
class DropoutOptions:
    """``ratio``: share of the values that are dropped in training; ``layers``: of which layers (none: all)."""

    ratio: float = option(
        "Share of the values that are dropped.", bounds=Bounds(0, 1, below=True), flag="--dropout", asks=True
    )
    layers: tuple[str, ...] = option(
        "Dropout layers, by name, range or pattern; none: all.", default=(), recipe="layer", flag="--dropout-layer"
    )


@register("dropout", verb=REWRITE, order=215, help="Another ratio for Dropout layers.")
def dropout(view: View, options: DropoutOptions) -> Rewrite:
    """The rewrite; Refusal where there is no Dropout layer, or the ratio is that of all of them already."""
    chosen = select(view, options.layers, "--dropout-layer") if options.layers else view.plan.layers
    found = [one for one in chosen if one.layer.type == "Dropout"]
    if not found:
        raise Refusal(
            "there is no Dropout layer",
            view.where(chosen[0].index) if options.layers else Location(str(view.definition.path)),
            received=", ".join(options.layers) or None,
            remedy="name a layer of type Dropout" if options.layers else "this net has no ratio to set",
        )
    edits, notes = [], []
    for one in found:
        old = one.layer.options.dropout_ratio
        if f"{old:g}" != f"{options.ratio:g}":
            edits.append(SetField(("layer", one.index, "dropout_param", "dropout_ratio"), options.ratio))
            notes.append(Note(f"`{one.name}` drops {options.ratio:g} instead of {old:g}", view.where(one.index)))
    if not edits:
        raise Refusal(
            "the ratio already has this value",
            view.where(found[0].index),
            received=f"{options.ratio:g}",
            remedy="name another number",
        )
    return Rewrite(tuple(edits), (), tuple(notes))
