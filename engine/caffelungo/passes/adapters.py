"""Small layers that are learned beside pre-trained ones, whose function they do not change at the first step.

    before:    x -> conv2 -> bn2 -> scale2 -> relu2                        fc6 -> fc7 -> relu7
    parallel:  x -> conv2 ---------------.                                 fc6 -> fc7 -------------------.
               x -> conv2_adapt_down -> conv2_adapt_up -> (sum) -> bn2 ...  fc6 -> fc7_adapt_down -> ..._up -> (sum) ...
    residual:  x -> conv2 -> bn2 -> scale2 --------------------.
                                    scale2 -> conv2_adapt -> (sum) -> relu2

The last layer of an adapter starts at zero. With a rank it is two layers, the first as large as the layer it is
beside but with few units (LoRA: Hu et al. 2021); without, one 1 x 1 layer (Rebuffi, Bilen, Vedaldi 2017 residual, 2018
parallel). Freeze the layers that are adapted to learn the adapters alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo.bounds import WHOLE
from caffelungo.definition.edits import Edit, InsertLayer, SetField
from caffelungo.definition.schema import FillerParameter, LayerParameter
from caffelungo.layers.base import shape_text
from caffelungo.layers.kinds import HEADS
from caffelungo.passes import select
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.names import Names
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import NEW, Rate, give_rates
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer

KINDS = ("parallel", "residual")


@dataclass(frozen=True)
class AdapterOptions:
    """``layers``: names, ranges and patterns of Convolution and InnerProduct layers; ``kind`` as drawn above.

    ``rank``: units of the first of two layers; None: a single layer.
    """

    layers: tuple[str, ...] = option(
        "Names, ranges and patterns; none: every layer with weights before the classifier.",
        absent=("*",), recipe="layer", flag="--adapters", asks=True, metavar="LAYERS", every=("*",),
    )  # fmt: skip
    kind: str = option("How adapters are connected to their layers.", default="parallel", choices=KINDS, flag="--kind")
    rank: int | None = option(
        "Number of units of the first of two layers (default: a single layer).",
        default=None, bounds=WHOLE, flag="--rank",
    )  # fmt: skip
    suffix: str = "adapt"
    rates: tuple[Rate, Rate] = NEW


@register("adapters", verb=REWRITE, order=170, help="Small layers that learn beside layers that do not.")
def adapters(view: View, options: AdapterOptions) -> Rewrite:
    """The rewrite; Refusal when no layer can have an adapter."""
    if options.kind not in KINDS:
        raise Refusal("unknown kind of adapter", received=options.kind, remedy=f"use one of: {', '.join(KINDS)}")
    if options.rank is not None and options.rank < 1:
        raise Refusal(
            "the rank of an adapter must be at least 1", received=f"rank {options.rank}", remedy="write 4 or 8"
        )
    heads = {one.head.index for one in view.classifiers}
    named = select.select(view, options.layers, "--adapters")
    chosen = [one for one in named if one.layer.type in HEADS and one.index not in heads]
    chosen = [one for one in chosen if not (one.layer.param.include or one.layer.param.exclude)]
    if not chosen:
        raise Refusal(
            "none of these layers can have an adapter",
            view.where(named[0].index) if named else None,
            received=", ".join(options.layers),
            remedy="name Convolution or InnerProduct layers before the classifier, in both phases: --adapters 'conv*'",
        )
    names = Names(view)
    edits: list[Edit] = []
    notes: list[Note] = []
    renamed: dict[str, str] = {}
    graph = view.graph
    misfits = [one for one in chosen if not _fits(graph, one, options)]
    if len(misfits) == len(chosen):
        raise _misfit(graph, view, misfits[0])
    for one in chosen:
        if one in misfits:
            why = "the output of a 1x1 convolution would have another size: give the adapters a rank"
            notes.append(Note(f"`{one.name}` gets no adapter", view.where(one.index), why))
            continue
        last = _last(graph, one) if options.kind == "residual" else one
        bottom = last.tops[0] if options.kind == "residual" else renamed.get(one.bottoms[0], one.bottoms[0])
        built = _layers(one, bottom, names, options)
        summed = names.take(f"{one.name}_{options.suffix}_sum")
        total = LayerParameter(name=summed, type="Eltwise", bottom=[last.tops[0], built[-1].top[0]], top=[summed])
        comment = f"A {options.kind} adapter of {one.name}; it starts at zero, so it changes nothing at first."
        for k, layer in enumerate([*built, total]):
            edits.append(InsertLayer(last.index + 1, layer, comment if k == 0 else None))
        edits += _rename(view, last, summed)
        renamed[last.tops[0]] = summed
        why = f"rank {options.rank}" if options.rank else "one layer"
        notes.append(Note(f"{options.kind} adapter of `{one.name}`", view.where(one.index), why))
    return Rewrite(tuple(edits), (), tuple(notes))


def _rename(view: View, last: PlannedLayer, summed: str) -> list[Edit]:
    """Let all layers behind ``last`` know its blob as ``summed``. (RenameBlob would look at every layer each time.)"""
    blob = last.tops[0]
    return [
        SetField(("layer", index, name, k), summed)
        for index in range(last.index + 1, len(view.net.layer))
        for name in ("bottom", "top")
        for k, one in enumerate(getattr(view.net.layer[index], name))
        if one == blob
    ]


def _last(graph: Graph, one: PlannedLayer) -> PlannedLayer:
    """The last of the BatchNorm and Scale layers behind ``one``."""
    last = one
    for follower in graph.chain(one):
        if not follower.layer.affine:
            break
        last = follower
    return last


def _layers(one: PlannedLayer, bottom: str, names: Names, options: AdapterOptions) -> list[Any]:
    """The adapter's layers, which read ``bottom``; the last has the size of what ``one`` makes."""
    units = int(one.layer.options.num_output)
    residual = options.kind == "residual"
    stem = f"{one.name}_{options.suffix}"
    result: list[Any] = []
    if options.rank is not None:
        down = _layer(one, names.take(f"{stem}_down"), bottom, options.rank, options, plain=residual)
        result.append(down)
        result.append(_layer(one, names.take(f"{stem}_up"), down.top[0], units, options, plain=True, zero=True))
        return result
    only = _layer(one, names.take(stem), bottom, units, options, plain=True, zero=True)
    if not residual and one.layer.type == "Convolution":
        stride = _strides(one)
        if stride != (1, 1):
            only.convolution_param.stride.extend(stride[:1] if stride[0] == stride[1] else stride)
    return [only]


def _layer(
    one: PlannedLayer,
    name: str,
    bottom: str,
    units: int,
    options: AdapterOptions,
    plain: bool,
    zero: bool = False,
) -> Any:
    """A layer of the type of ``one``: 1 x 1 where ``plain``, else of its geometry; from zero, or small and random."""
    layer = LayerParameter(name=name, type=one.layer.type, bottom=[bottom], top=[name])
    if one.layer.type == "InnerProduct":
        given = layer.inner_product_param
    else:
        given = layer.convolution_param
        if plain:
            given.kernel_size.append(1)
        else:
            given.CopyFrom(one.layer.param.convolution_param)
            given.ClearField("group")
            given.ClearField("bias_filler")
    given.num_output = units
    given.bias_term = False
    filler = FillerParameter(type="constant", value=0) if zero else FillerParameter(type="xavier")
    given.weight_filler.CopyFrom(filler)
    give_rates(layer, options.rates[:1])
    return layer


def _strides(one: PlannedLayer) -> tuple[int, int]:
    given = one.layer.param.convolution_param
    if given.HasField("stride_h") or given.HasField("stride_w"):
        return int(given.stride_h or 1), int(given.stride_w or 1)
    values: Sequence[int] = [int(value) for value in given.stride] or [1]
    return values[0], values[-1]


def _fits(graph: Graph, one: PlannedLayer, options: AdapterOptions) -> bool:
    """Whether a single 1 x 1 convolution with the same stride ends at the size of the one beside it."""
    if options.kind != "parallel" or options.rank is not None or one.layer.type != "Convolution":
        return True
    inside, outside = graph.shape(one.bottom_values[0]), graph.shape(one.top_values[0])
    if inside is None or outside is None or None in inside[2:] or None in outside[2:]:
        return False
    sizes = [(int(size or 0) - 1) // step + 1 for size, step in zip(inside[2:], _strides(one), strict=True)]
    return sizes == list(outside[2:])


def _misfit(graph: Graph, view: View, one: PlannedLayer) -> Refusal:
    inside, outside = graph.shape(one.bottom_values[0]), graph.shape(one.top_values[0])
    return Refusal(
        f"the output of a 1x1 convolution beside `{one.name}` would have another size",
        view.where(one.index),
        received=f"{shape_text(inside)} -> {shape_text(outside)}",
        remedy="give the adapter a rank, so that its first layer has the same kernel, or use the residual kind",
    )
