"""Let layers learn that were held fixed.

before:  conv5, fc6, fc7: param { lr_mult: 0 decay_mult: 0 }, bn5: batch_norm_param { use_global_stats: true }
after:   --unfreeze fc7, or --unfreeze-from fc6 (it and everything that depends on it)
         weights: lr_mult 1 decay_mult 1; biases: lr_mult 2 decay_mult 0; scales: lr_mult 1 decay_mult 0
         bn5 learns its statistics from the batches again; layers that learn already keep their rates
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.definition.edits import ClearField, Edit, SetField
from caffelungo.layers.kinds import HEADS
from caffelungo.passes import select
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import OLD, Rate
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer

SCALES: Rate = (1.0, 0.0)
"""Rate and decay of what is no weight of a sum: factors of Scale and Normalize, slopes of PReLU."""


@dataclass(frozen=True)
class UnfreezeOptions:
    """``layers``: names, ranges and patterns; ``start``: a layer that learns with everything that depends on it.

    ``rates`` are those of weights and biases that are frozen now. ``statistics``: whether BatchNorm follows, too.
    """

    layers: tuple[str, ...] = option("Names, ranges and patterns of layers that learn again.", default=(),
                                     recipe="layer", flag="--unfreeze", asks=True, metavar="LAYERS")  # fmt: skip
    start: str | None = option("A layer that learns again with everything that depends on it.", default=None,
                               flag="--unfreeze-from", asks=True, metavar="LAYER")  # fmt: skip
    rates: tuple[Rate, Rate] = OLD
    statistics: bool = True


@register("unfreeze", verb=REWRITE, order=200, in_recipe=False, help="Frozen layers that learn again.")
def unfreeze(view: View, options: UnfreezeOptions) -> Rewrite:
    """The rewrite; Refusal when nothing that is named is frozen."""
    chosen = {one.index: one for one in select.select(view, options.layers, "--unfreeze")}
    if options.start is not None:
        first = select.select(view, [options.start], "--unfreeze-from")
        for graph in view.graphs.values():
            mine = [one for one in graph.plan.layers if one.index in {start.index for start in first}]
            chosen.update((one.index, one) for one in graph.downstream(mine))
    edits: list[Edit] = []
    notes: list[Note] = []
    for index in sorted(chosen):
        changes, note = _free(view, chosen[index], options)
        edits += changes
        notes += note
    if not edits:
        words = [*options.layers, *([f"from {options.start}"] if options.start else [])]
        raise Refusal(
            "none of these layers is frozen",
            view.where(min(chosen)) if chosen else None,
            received=", ".join(words) or "no layer",
            remedy="a frozen layer has `lr_mult: 0` in its `param` blocks; name one of those",
        )
    return Rewrite(tuple(edits), (), tuple(notes))


def _free(view: View, one: PlannedLayer, options: UnfreezeOptions) -> tuple[list[Edit], list[Note]]:
    index, layer = one.index, view.net.layer[one.index]
    if layer.type == "BatchNorm":
        if not (options.statistics and layer.batch_norm_param.use_global_stats):
            return [], []
        note = Note(f"`{one.name}` uses the statistics of the batch again", view.where(index), "it is no longer frozen")
        return [ClearField(("layer", index, "batch_norm_param", "use_global_stats"))], [note]
    edits: list[Edit] = []
    for k, (use, (rate, decay)) in enumerate(zip(one.params, _rates(one, options), strict=False)):
        if not use.spec.learned or use.lr_mult or k >= len(layer.param):
            continue
        edits += [
            SetField(("layer", index, "param", k, "lr_mult"), rate),
            SetField(("layer", index, "param", k, "decay_mult"), decay),
        ]
    if not edits:
        return [], []
    return edits, [Note(f"`{one.name}` learns: lr_mult {edits[0].value:g}", view.where(index), "it was frozen")]  # type: ignore[union-attr]


def _rates(one: PlannedLayer, options: UnfreezeOptions) -> Sequence[Rate]:
    return options.rates if one.layer.type in HEADS | {"Deconvolution"} else [SCALES] * len(one.params)
