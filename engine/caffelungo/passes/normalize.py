"""Features brought to unit length, times a learned or a constant scale, without new units (ParseNet's L2 layer).

    before:  fc6 -> fc7 -> relu7 -> drop7 -> fc8
    after:   fc6 -> fc7 -> relu7 -> norm7 (Normalize) -> drop7 -> fc8_norm
             the layers up to relu7 stay as they are; the classifier starts afresh, since it reads other numbers

What growth does to old features, alone: the control that tells how much of a gain is due to their scale.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.bounds import POSITIVE
from caffelungo.definition.edits import Edit, InsertLayer
from caffelungo.passes import new_units, rewire
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.default_layers import top_layer
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.names import Names, norm_name
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import FROZEN, NEW, Rate, give_rates
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import View


@dataclass(frozen=True)
class NormalizeOptions:
    """``layer``: whose output ("": that of the layer that feeds the classifier); ``scale``: where the factors start;
    ``learned``: one factor a channel that is learned.

    ``keep_head``: the classifier keeps its name and weights, though it now reads other numbers.
    """

    layer: str = option("The layer (default: the one that feeds the classifier).", absent="", flag="--normalize",
                        asks=True, metavar="LAYER")  # fmt: skip
    scale: float = option("Initial value of the scale.", default=20.0, bounds=POSITIVE, flag="--scale")
    learned: bool = option("Learn one factor per channel; otherwise the scale is fixed.", default=True,
                           flag="--constant", off=True)  # fmt: skip
    keep_head: bool = option("Keep the classifier's name and weights.", default=False, flag="--keep-head")
    suffix: str = "norm"
    rates: tuple[Rate, Rate] = NEW


@register("normalize", verb=REWRITE, order=130, help="Features of unit length, times a scale, without new units.")
def normalize(view: View, options: NormalizeOptions) -> Rewrite:
    """The rewrite; Refusal when anything but classifiers reads the features, or they are normalized already."""
    graph, name = view.graph, options.layer or top_layer(view)
    if options.scale <= 0:
        raise Refusal("the scale must be above 0", received=f"{options.scale:g}", remedy="10 and 20 are usual")
    target = view.find(name, "--normalize")
    new_units.refuse_rules(view, target)
    new_units.refuse_head(view, target, graph)
    before, after = new_units.split_chain(graph.chain(target))
    source, last = (before or [target])[-1], ([*before, *after] or [target])[-1]
    if source.layer.type == "Normalize":
        raise Refusal(
            f"`{source.name}` normalizes it already",
            view.where(source.index),
            received=f"--normalize {name}",
            remedy=f"change norm_param of `{source.name}`",
        )
    heads = new_units.heads_behind(view, graph, target, last.top_values[0], "normalizing")
    norm = Names(view).take(norm_name(target.tops[0]))
    layer = new_units.normalize(norm, source.tops[0], norm, options.scale)
    if not options.learned:
        give_rates(layer, [FROZEN])
    factor = "a learned factor a channel" if options.learned else f"{options.scale:g}"
    edits: list[Edit] = [InsertLayer(source.index + 1, layer, f"Unit length over the channels, times {factor}.")]
    edits += rewire.lead(view, graph, last.top_values[0], rewire.reconnect(after, norm, edits))
    notes = [Note(f"`{target.tops[0]}` is normalized in `{norm}`, scale {options.scale:g}", view.where(target.index))]
    for one in heads:
        if options.keep_head:
            notes.append(Note(f"classifier `{one.name}` is kept", view.where(one.head.index), "but its answers change"))
        else:
            fresh = fresh_head(view, one.head, options.suffix, rates=options.rates)
            edits += fresh.edits
            notes += fresh.notes
    return Rewrite(tuple(edits), (), tuple(notes))
