"""The classifier also reads earlier layers: multi-level features without new units.

    before:  fire9/squeeze -> ... -> fire9/concat -> drop9 -> conv10
    after:   fire9/squeeze -> ... -> fire9/concat -> fire9/concat_norm -> drop9 ------------------.
                          `-> (Pooling) -> fire9/squeeze_norm_read -> drop9_read -> conv10_in (Concat) -> conv10_read
             old layers stay as they are; each group of features is normalized, so that they learn at one pace

The earlier layer is pooled (AVE) to the size of the classifier's input, before an InnerProduct on a vector over the
whole picture. The control that tells how much of a gain of new units is due to what they read. Compare Evci et al.
2022 (Head2Toe).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.bounds import POSITIVE
from caffelungo.definition.edits import Edit, InsertLayer, SetField
from caffelungo.definition.schema import LayerParameter
from caffelungo.layers import pools
from caffelungo.layers.base import Shape, shape_text
from caffelungo.passes import new_units, rewire, unit_places
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.default_layers import read_by_top
from caffelungo.passes.fresh_head import fresh_head, kept_head
from caffelungo.passes.names import Names, norm_name, root
from caffelungo.passes.new_units import Built
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import NEW, Rate
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted


@dataclass(frozen=True)
class ReadOptions:
    """``layers``: what the classifier reads besides; ``head``: which classifier (None: the last).

    ``keep_head``: it keeps its answers, with zeros for what it newly reads; what it read is not normalized then.
    """

    layers: tuple[str, ...] = option(
        "Further layers that the classifier reads (default: the input of the layer that feeds it).",
        absent=(), recipe="layer", flag="--read", asks=True, metavar="LAYER",
    )  # fmt: skip
    head: str | None = None
    normalize: bool = option("Normalize what is read to unit length.", default=True)
    scale: float = option("Initial value of the scale.", default=20.0, bounds=POSITIVE, flag="--scale")
    keep_head: bool = option("Keep the classifier's name and weights.", default=False, flag="--keep-head")
    suffix: str = "read"
    rates: tuple[Rate, Rate] = NEW


@register("read", verb=REWRITE, order=140, help="The classifier reads the features of further layers.")
def read(view: View, options: ReadOptions) -> Rewrite:
    """The rewrite; Refusal when a layer does not come before the classifier, or cannot be pooled to its size."""
    graph = view.graph
    head = view.heads(options.head)[-1].head
    value = head.bottom_values[0]
    shape = graph.shape(value)
    if shape is None or None in shape[1:] or len(shape) not in (2, 4):
        raise Refusal(
            f"the input size of `{head.name}` is not known",
            view.where(head.index),
            received=shape_text(shape),
            remedy="write crop_size into the data layers' transform_param",
        )
    names, edits, notes = Names(view), list[Edit](), list[Note]()
    dropout = _dropout_before(graph, head)
    groups = [_old(view, graph, head, dropout, names, options, edits)]
    added = 0
    for layer in dict.fromkeys(options.layers or (read_by_top(view),)):
        source = _source(view, graph, head, layer)
        built, channels = _group(view, graph, source, shape, names, options)
        new_units.follow(built, dropout, names, options.suffix)
        comment = f"{head.name} also reads {source.tops[0]}."
        edits += [InsertLayer(head.index, one, comment if k == 0 else None) for k, one in enumerate(built.layers)]
        groups.append(built.top)
        added += channels
        notes.append(
            Note(
                f"`{head.name}` also reads `{source.tops[0]}`: {counted(channels, 'channel')}",
                view.where(source.index),
                "features of several levels, without new units",
            )
        )
    joined = names.take(f"{root(head.name, options.suffix)}_in")
    concat = LayerParameter(name=joined, type="Concat", bottom=groups, top=[joined])
    edits += [InsertLayer(head.index, concat), SetField(("layer", head.index, "bottom", 0), joined)]
    if options.keep_head:
        kept = kept_head(view, head, int(shape[1] or 0), added)
        return Rewrite(tuple(edits), tuple(kept.moves), (*notes, *kept.notes))
    fresh = fresh_head(view, head, options.suffix, rates=options.rates)
    return Rewrite((*edits, *fresh.edits), (), (*notes, *fresh.notes))


def _source(view: View, graph: Graph, head: PlannedLayer, layer: str) -> PlannedLayer:
    """The last neuron behind ``layer``; Refusal when it is not above the classifier, or what that reads already."""
    target = view.find(layer, "--read")
    if target.layer.source:
        raise Refusal(
            f"`{target.name}` gives the picture itself, which has no features",
            view.where(target.index),
            received=f"--read {layer}",
            remedy="name a layer between the data and the classifier",
        )
    new_units.refuse_rules(view, target)
    source = (graph.chain(target) or [target])[-1]
    above = {one.index for one in graph.upstream([head])} - {head.index}
    if source.index not in above:
        raise Refusal(
            f"`{head.name}` does not depend on `{target.name}`, and may be computed after it",
            view.where(target.index),
            received=f"--read {layer}",
            remedy="name a layer between the data and the classifier",
        )
    if source.top_values[0] in head.bottom_values:
        raise Refusal(
            f"`{head.name}` reads `{source.tops[0]}` already",
            view.where(head.index),
            received=f"--read {layer}",
            remedy="name an earlier layer",
        )
    return source


def _dropout_before(graph: Graph, head: PlannedLayer) -> list[PlannedLayer]:
    """The Dropout layers right before ``head`` that serve nobody else."""
    result: list[PlannedLayer] = []
    value = head.bottom_values[0]
    while value in graph.producer and len(graph.consumers(value)) == 1:
        maker = graph.producer[value]
        if maker.layer.type != "Dropout":
            break
        result.insert(0, maker)
        value = maker.bottom_values[0]
    return result


def _old(
    view: View,
    graph: Graph,
    head: PlannedLayer,
    dropout: Sequence[PlannedLayer],
    names: Names,
    options: ReadOptions,
    edits: list[Edit],
) -> str:
    """The blob with what the classifier read before, normalized unless it is kept or normalized already."""
    if not options.normalize or options.keep_head:
        return head.bottoms[0]
    value = dropout[0].bottom_values[0] if dropout else head.bottom_values[0]
    maker = graph.producer.get(value)
    if maker is None or maker.layer.type == "Normalize" or unit_places.joins_normalized(graph, maker):
        return head.bottoms[0]
    blob = graph.plan.values[value].blob
    norm = names.take(norm_name(blob))
    at = dropout[0].index if dropout else head.index
    layer = new_units.normalize(norm, blob, norm, options.scale)
    edits.append(InsertLayer(at, layer, "Unit length over the channels, times a learned factor a channel."))
    return rewire.reconnect(dropout, norm, edits)


def _group(
    view: View, graph: Graph, source: PlannedLayer, wanted: Shape, names: Names, options: ReadOptions
) -> tuple[Built, int]:
    """Pooling, Flatten and Normalize on ``source`` as needed, and how many channels come out."""
    blob, shape = source.tops[0], graph.shape(source.top_values[0])
    if shape is None or None in shape[1:] or len(shape) not in (2, 4) or (len(shape) == 2 and len(wanted) == 4):
        raise Refusal(
            f"`{blob}` cannot be joined to the input of the classifier",
            view.where(source.index),
            received=f"{shape_text(shape)} beside {shape_text(wanted)}",
            remedy="name a layer whose size is known and that has a picture's axes",
        )
    built = Built([], blob)
    if len(shape) == 4:
        plane = (1, 1) if len(wanted) == 2 else (int(wanted[2] or 0), int(wanted[3] or 0))
        size = (int(shape[2] or 0), int(shape[3] or 0))
        if plane != size:
            _pool(view, source, size, plane, built, names, options)
        if len(wanted) == 2:
            name = names.take(f"{blob}_flat_{options.suffix}")
            built.layers.append(LayerParameter(name=name, type="Flatten", bottom=[built.top], top=[name]))
            built.top = name
    if options.normalize and source.layer.type != "Normalize":
        name = names.take(norm_name(blob, options.suffix))
        built.layers.append(new_units.normalize(name, built.top, name, options.scale))
        built.top = name
    return built, int(shape[1] or 0)


def _pool(
    view: View,
    source: PlannedLayer,
    size: tuple[int, int],
    plane: tuple[int, int],
    built: Built,
    names: Names,
    options: ReadOptions,
) -> None:
    name = names.take(f"{source.tops[0]}_pool_{options.suffix}")
    layer = LayerParameter(name=name, type="Pooling", bottom=[built.top], top=[name])
    layer.pooling_param.pool = layer.pooling_param.AVE
    if plane == (1, 1):
        layer.pooling_param.global_pooling = True
    else:
        kernel, stride = _window(view, source, size, plane)
        layer.pooling_param.kernel_size, layer.pooling_param.stride = kernel, stride
    built.layers.append(layer)
    built.top = name


def _window(view: View, source: PlannedLayer, size: tuple[int, int], plane: tuple[int, int]) -> tuple[int, int]:
    """Kernel and stride of a pooling from ``size`` to ``plane`` that looks at everything once, or nearly."""
    for stride in range(1, max(size) + 1):
        for kernel in range(stride, 2 * stride + 1):
            if kernel > min(size):
                break
            ends = [
                pools.pooled(one, axis, (kernel,) * 2, (stride,) * 2, (0, 0), True) for axis, one in enumerate(size)
            ]
            if tuple(ends) == plane:
                return kernel, stride
    raise Refusal(
        f"no pooling brings `{source.tops[0]}` to the size of the classifier's input",
        view.where(source.index),
        received=f"{shape_text(size)} to {shape_text(plane)}",
        remedy="name a layer of the same size, or one that is larger by a whole factor",
    )
