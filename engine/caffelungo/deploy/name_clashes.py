"""An ONNX graph rewritten by another program, whose new names must not clash with those of the net.

    conv1, conv1_scale  ->  conv1|, conv1_scale|  ->  + conv1|_scale  ->  conv1, conv1_scale, conv1_scale_2

Converters append endings to tensor names (``conv1_scale``) without looking whether a blob of the net has that name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffelungo.passes.view import free_name

END = "\x1f"
"""The end, in the copy, of each name that was there before."""


def without_clashes(model: Any, rewrite: Callable[[Any], Any]) -> Any:
    """``rewrite(copy of model)`` (ModelProtos): what was in ``model`` keeps its names, what is new has free ones.

    In the copy every name of a tensor or a node ends in ``END``.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    tensors, nodes = _tensors(model), {node.name for node in model.graph.node}
    _rename(copy.graph, {name: name + END for name in tensors}, {name: name + END for name in nodes})
    made = rewrite(copy)
    added = [name for name in _tensors(made) if not name.endswith(END)]
    others = [node.name for node in made.graph.node if not node.name.endswith(END)]
    _rename(made.graph, _back(tensors, added), _back(nodes, others))
    return made


def _back(before: set[str], added: list[str]) -> dict[str, str]:
    result, taken = {name + END: name for name in before}, set(before)
    for name in added:
        result[name] = free_name(name.replace(END, ""), taken, "_")
        taken.add(result[name])
    return result


def _tensors(model: Any) -> set[str]:
    graph = model.graph
    names = {one.name for one in (*graph.input, *graph.output, *graph.initializer, *graph.value_info)}
    return {*names, *(name for node in graph.node for name in node.output)} - {""}


def _rename(graph: Any, tensors: dict[str, str], nodes: dict[str, str]) -> None:
    for one in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        one.name = tensors.get(one.name, one.name)
    for node in graph.node:
        node.name = nodes.get(node.name, node.name)
        for names in (node.input, node.output):
            names[:] = [tensors.get(name, name) for name in names]
