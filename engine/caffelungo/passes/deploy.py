"""From the net that trains to the net that answers.

    before:  ImageData TRAIN, ImageData TEST -> conv1 ... fc8 -> SoftmaxWithLoss, Accuracy   (and auxiliary heads)
    after:   Input (1x3x227x227)             -> conv1 ... fc8 -> Softmax "prob"
             layers that the answer does not depend on are gone; all others keep names, order and comments

Of several classifiers on one label the last stays (GoogLeNet's auxiliary ones serve training only), and every one that
`lungo { head }` names. A net without a classifier (regression, pairs) answers what its losses compare with the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo import shell
from caffelungo.definition import filter as filter_
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, InsertLayer
from caffelungo.definition.schema import TEST, LayerParameter
from caffelungo.layers.base import Shape
from caffelungo.layers.kinds import LABEL_LOSSES, PROBABILITIES, answer_of
from caffelungo.passes import channel_names
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.names import answer_name
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import ClassifierLayer, Graph, View, onward
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class DeployOptions:
    """``shape`` of the Input, where the file does not tell it; ``batch``: its first size; ``head``: a classifier."""

    shape: tuple[int, ...] | None = None
    batch: int = 1
    head: str | None = None


@register("deploy", verb=REWRITE, flag="--deploy", order=220, help="The deploy net, without data layers and losses.")
def deploy(view: View, options: DeployOptions) -> Rewrite:
    """The rewrite; Refusal for a net without a classifier and a loss, or whose input's size is not known."""
    stage = _stage(view)
    if stage is None and view.deploy_only and all(one.layer.type == "Input" for one in view.plan.sources):
        return Rewrite(notes=(Note("the net already is a deploy net: nothing to do"),))
    graph = view.graphs.get(TEST) or view.graph
    keep: dict[int, PlannedLayer] = {}
    edits: list[Edit] = []
    notes: list[Note] = []
    if stage is not None:
        graph = stage
        notes.append(
            Note(
                f"the outputs are read in phase {filter_.state_text(stage.plan.state)}",
                None,
                "the rules of the net name it",
            )
        )
        keep.update((layer.index, layer) for layer in _of_head(view, stage, options.head or view.head))
    compared = _compared(graph) if stage is None and not view.answers else []
    for loss, value in compared:
        keep.update((layer.index, layer) for layer in graph.upstream([graph.producer[value]]))
        edits += _sigmoid(view, graph, loss, value, several=len({one for _, one in compared}) > 1)
    heads = _answers(view, options) if stage is None and not compared else []
    for one in heads:
        passed = [layer for layer in graph.plan.layers if layer.index in {b.index for b in one.between}]
        head = [layer for layer in graph.plan.layers if layer.index == one.head.index]
        softmax = [end for end in one.ends if end.layer.type == "Softmax"]
        keep.update((layer.index, layer) for layer in graph.upstream([*head, *passed, *softmax[:1]]))
        if not softmax and not any(layer.layer.type == "Softmax" for layer in passed):
            edits += _answer(view, one, several=len(heads) > 1)
    sources = [one for one in keep.values() if one.layer.source and (stage is None or one.layer.type != "Input")]
    for source in sources:
        edits += _inputs(view, graph, source, keep, options)
        notes.append(
            Note(
                f"`{source.name}` ({source.layer.type}) -> Input",
                view.where(source.index),
                "the caller provides the data",
            )
        )
    replaced = {source.index for source in sources}
    for index, layer in enumerate(view.net.layer):
        if index not in keep or index in replaced:
            edits.append(DeleteLayer(index))
            if index not in replaced:
                notes.append(
                    Note(f"`{layer.name}` ({layer.type}) removed", view.where(index), "no output depends on it")
                )
        elif layer.include or layer.exclude:
            edits += [
                ClearField(("layer", index, name)) for name in ("include", "exclude") if len(getattr(layer, name))
            ]
    return Rewrite(tuple(edits), (), tuple(notes))


def _stage(view: View) -> Graph | None:
    """The net in the stage for answers, where the file names one: its layers are those that its author wants."""
    state = states.state_of(view.definition, TEST, answering=True)
    definition = states.with_feeders(view.definition, state)
    if len(state.stage) == len(view.net.state.stage) or not states.held(definition.message, state).answers:
        return None
    return Graph(build_plan(definition.message, state, where=view.definition.where, sources=view.sources))


def _of_head(view: View, stage: Graph, name: str | None) -> list[PlannedLayer]:
    """The layers of ``stage``; with ``name`` those that this classifier needs, and what passes its answers on."""
    if name is None:
        return stage.plan.layers
    index = view.heads(name)[-1].head.index
    heads = [one for one in stage.plan.layers if one.index == index]
    return stage.upstream([*heads, *(one for head in heads for one in _passed(stage, head))])


def _passed(graph: Graph, head: PlannedLayer) -> list[PlannedLayer]:
    passed, softmax = onward(graph, head.top_values[0])
    return [*passed, *([softmax] if softmax is not None else [])]


def _answers(view: View, options: DeployOptions) -> list[ClassifierLayer]:
    if options.head is not None or view.head is not None:
        return view.heads(options.head or view.head)
    if not view.answers:
        view.heads()
    return view.answers


def _compared(graph: Graph) -> list[tuple[PlannedLayer, int]]:
    """Each loss of a net without classifier, and a value that it compares with the data: what such a net answers."""
    return [
        (one, graph.whole(value))
        for one in graph.plan.layers
        if one.layer.loss
        for k, value in enumerate(one.bottom_values)
        if k not in one.layer.labels and not graph.producer[value].layer.source
    ]


def _sigmoid(view: View, graph: Graph, loss: PlannedLayer, value: int, several: bool) -> list[Edit]:
    """A Sigmoid where the loss takes one."""
    if loss.layer.type != "SigmoidCrossEntropyLoss":
        return []
    blob, head = graph.plan.values[value].blob, graph.head_of(value)
    name = view.free(answer_name(head.name if head is not None else blob, several))
    return [InsertLayer(loss.index, LayerParameter(name=name, type="Sigmoid", bottom=[blob], top=[name]))]


def _answer(view: View, one: ClassifierLayer, several: bool) -> list[Edit]:
    """What gives the probabilities of ``one`` in the place of its loss."""
    end = next((end for end in one.ends if end.layer.type in PROBABILITIES | LABEL_LOSSES), None)
    if end is None:
        return []
    name = view.free(answer_name(one.name, several))
    layer = LayerParameter(name=name, type=answer_of(end.layer.type), bottom=[end.bottoms[0]], top=[name])
    axis = end.layer.param.softmax_param
    if axis.HasField("axis"):
        layer.softmax_param.axis = axis.axis
    return [InsertLayer(end.index, layer)]


def _inputs(
    view: View, graph: Graph, source: PlannedLayer, keep: dict[int, PlannedLayer], options: DeployOptions
) -> list[Edit]:
    """One Input for every top of ``source`` that the answer depends on."""
    edits: list[Edit] = []
    for top, value in zip(source.tops, source.top_values, strict=True):
        if not any(one.index in keep for one in graph.consumers(value)):
            continue
        shape = _shape(view, source, top, graph.shape(value), options)
        layer = LayerParameter(name=top, type="Input", top=[top])
        layer.input_param.shape.add(dim=shape)
        edits.append(InsertLayer(source.index, layer, _comment(source.layer.param, shape)))
    return edits


def _comment(layer: Any, shape: Sequence[int]) -> str | None:
    """What the data layer did to a picture, for whoever feeds the Input."""
    transform = layer.transform_param
    if not layer.HasField("transform_param"):
        return None
    mean = ", ".join(f"{one:g}" for one in transform.mean_value) or transform.mean_file
    parts = [f"Pictures as 0..255, {channel_names.described(layer, shape[1] if len(shape) == 4 else None)}"]
    if mean:
        parts.append(f"less the mean {mean}")
    if transform.scale != 1:
        parts.append(f"times {transform.scale:g}")
    return ", ".join(parts) + "."


def _shape(view: View, source: PlannedLayer, top: str, known: Shape | None, options: DeployOptions) -> Sequence[int]:
    if options.shape is not None:
        return options.shape
    layer = source.layer.param
    sizes = list(known or (None, None, None, None))
    if len(sizes) == 4:
        data = layer.image_data_param
        crop = layer.transform_param.crop_size or _train_crop(view, top)
        sizes[2] = sizes[2] or crop or data.new_height
        sizes[3] = sizes[3] or crop or data.new_width
        sizes[1] = sizes[1] or (1 if layer.transform_param.force_gray else _channels_of(view))
    result = [options.batch, *sizes[1:]]
    if any(not size for size in result):
        raise Refusal(
            f"the output size of `{source.name}` is not written in the file",
            view.where(source.index),
            received="x".join("?" if not size else str(size) for size in result),
            remedy=f"give it: --shape {shell.word(f'{top}:3x227x227')}",
        )
    return [int(size) for size in result if size]


def _train_crop(view: View, top: str) -> int:
    """What training cuts out, where the TEST data layer says nothing (pictures of that size already)."""
    crops = [layer.transform_param.crop_size for layer in view.net.layer if top in layer.top]
    return max(crops, default=0)


def _channels_of(view: View) -> int | None:
    """Channels where the file leaves them open: as many as there are mean values, else a colour picture's."""
    counts = {len(layer.transform_param.mean_value) for layer in view.net.layer} - {0, 1}
    return counts.pop() if len(counts) == 1 else (3 if not counts else None)
