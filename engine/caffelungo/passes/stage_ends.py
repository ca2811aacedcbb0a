"""The ends of a net's stages, found from its graph: which of its blobs are worth reading.

    SqueezeNet   fire2/concat ... fire9/concat            ends of blocks that a Concat or an Eltwise joins
    MobileNet    conv2_1/sep ... conv6/sep                a depthwise and a pointwise convolution are a block
    CaffeNet     conv1 ... conv5, fc6, fc7                a net without blocks: what each layer's neurons leave

All are on the trunk: every path from the picture to the classifier goes through them.
"""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.definition.schema import TEST
from caffelungo.errors import Location, UserError
from caffelungo.layers.kinds import HANDING_ON, HEADS, JOINING, NONLINEAR, UNIT_ENDS
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer


def stage_ends(view: View) -> list[str]:
    """The blobs that hold the end of each stage, from the picture to the classifier, in phase TEST.

    Those are, on the trunk and after their neurons, the ends of blocks that a Concat or an Eltwise joins or that are a
    pointwise convolution behind a depthwise one; behind the last of them, and in nets that are mostly no blocks, also
    each convolution and fully connected layer; and the classifier's input, if it is no mean of the last of these.
    UserError for a net in which no classifier is found.
    """
    graph = view.graphs.get(TEST) or view.graph
    heads = _heads(view, graph)
    if not heads:
        raise UserError(
            "the net has no classifier, so the ends of its stages are not known",
            where=Location(str(view.definition.path)),
            received=f"outputs: {', '.join(graph.plan.outputs) or 'none'}",
            remedy="name the blobs to read: lungo features --blobs conv4,conv5, or lungo probe --layers conv4,conv5",
        )
    trunk = _trunk(graph, heads)
    blocks, singles = _stations(graph, trunk, {head.index for head in heads})
    last = max(blocks, default=-1)
    wide = [value for value in singles if not _inside(graph, value)]
    kept = [value for value in singles if value > last] if len(blocks) >= len(wide) else singles
    found = sorted({*blocks, *kept})
    for head in heads:
        value = head.bottom_values[0]
        if value in graph.producer and not graph.producer[value].layer.source and not _told(graph, value, found):
            found.append(value)
    return list(dict.fromkeys(graph.plan.values[value].blob for value in sorted(found)))


def _heads(view: View, graph: Graph) -> list[PlannedLayer]:
    """The answering classifiers as the layers of ``graph``."""
    indices = {one.head.index for one in view.answers}
    return [planned for planned in graph.plan.layers if planned.index in indices]


def _trunk(graph: Graph, heads: Sequence[PlannedLayer]) -> list[int]:
    """The values that every path from the picture to what all ``heads`` read goes through, first to last."""
    found: list[int] = []
    value = graph.dominator([head.bottom_values[0] for head in heads])
    while value is not None:
        found.append(value)
        maker = graph.producer.get(value)
        value = graph.dominator(maker.bottom_values) if maker is not None and maker.bottom_values else None
    return found[::-1]


def _stations(graph: Graph, trunk: Sequence[int], heads: set[int]) -> tuple[list[int], list[int]]:
    """The values behind blocks, and behind single layers, with their neurons."""
    blocks: list[int] = []
    singles: list[int] = []
    inside = set(trunk)
    for value in trunk:
        planned = graph.producer.get(value)
        if planned is None or planned.index in heads:
            continue
        kind = planned.layer.type
        if kind in JOINING:
            blocks.append(_end(graph, planned, inside))
        elif kind in HEADS and not _depthwise(planned):
            (blocks if _separable(graph, planned) else singles).append(_end(graph, planned, inside))
    return blocks, singles


def _end(graph: Graph, planned: PlannedLayer, trunk: set[int]) -> int:
    """The last value of the neurons behind ``planned``, which may have a pooling before its non-linearity."""
    value, active = planned.top_values[0], False
    for follower in graph.chain(planned):
        if follower.layer.type not in UNIT_ENDS or follower.top_values[0] not in trunk:
            break
        value, active = follower.top_values[0], active or follower.layer.type in NONLINEAR
    readers = graph.consumers(value)
    if not active and len(readers) == 1 and readers[0].layer.type == "Pooling" and readers[0].top_values[0] in trunk:
        chain = graph.chain(readers[0])
        if chain and chain[0].layer.type in NONLINEAR and chain[0].top_values[0] in trunk:
            return chain[0].top_values[0]
    return value


def _depthwise(planned: PlannedLayer) -> bool:
    if planned.layer.type != "Convolution" or (shape := planned.bottom_shapes[0]) is None or len(shape) < 2:
        return False
    group = int(planned.layer.options.group)
    return group > 1 and group == shape[1]


def _separable(graph: Graph, planned: PlannedLayer) -> bool:
    """Whether ``planned`` is the pointwise convolution that ends what a depthwise one began."""
    if planned.layer.type != "Convolution":
        return False
    value = planned.bottom_values[0]
    while (above := graph.producer.get(value)) is not None and above.layer.type in UNIT_ENDS and above.bottom_values:
        value = above.bottom_values[0]
    return above is not None and _depthwise(above)


def _inside(graph: Graph, value: int) -> bool:
    """Whether the branches of a block of convolutions begin at ``value``: what squeezes it is no stage."""
    shape = graph.shape(value)
    return len(graph.consumers(value)) > 1 and shape is not None and len(shape) == 4


def _told(graph: Graph, value: int, found: Sequence[int]) -> bool:
    """Whether the mean over the plane of ``value`` is that of one of ``found``."""
    while value not in found:
        planned = graph.producer.get(value)
        if planned is None or not (planned.layer.type in HANDING_ON or _global_mean(planned)):
            return False
        shape = planned.bottom_shapes[0]
        if planned.layer.type in ("Flatten", "Reshape") and (shape is None or any(s != 1 for s in shape[2:])):
            return False
        value = planned.bottom_values[0]
    return True


def _global_mean(planned: PlannedLayer) -> bool:
    if planned.layer.type != "Pooling":
        return False
    pooling = planned.layer.param.pooling_param
    before, after = planned.bottom_shapes[0], planned.top_shapes[0]
    whole = before is not None and after is not None and tuple(after[2:]) == (1, 1)
    unpadded = not (pooling.pad or pooling.pad_h or pooling.pad_w)
    return bool(pooling.pool == pooling.AVE and (pooling.global_pooling or (whole and unpadded)))
