"""A float32 ONNX model in half precision, by ONNX Runtime's own converter.

Inputs and outputs stay float32 (or uint8), and so does what half precision cannot hold: squares and sums over channels
(LRN, Normalize, MVN), exponentials (Softmax), statistics, and what turns pictures into numbers.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from caffelungo.deploy.name_clashes import without_clashes

SENSITIVE = (
    "Softmax", "LogSoftmax", "LRN", "LpNormalization", "BatchNormalization", "InstanceNormalization",
    "MeanVarianceNormalization", "ReduceL1", "ReduceL2", "ReduceSum", "ReduceSumSquare", "ReduceMean", "Pow", "Sqrt",
    "Reciprocal", "Exp", "Log", "Softplus", "Div",
)  # fmt: skip
"""Operators that keep float32."""


def halved(model: Any) -> Any:
    """``model`` (a ModelProto, left as it is) with weights and activations in float16."""
    return without_clashes(model, _halved)


def _halved(model: Any) -> Any:
    import onnx
    import onnx_ir as ir
    from onnx_ir.passes.common import TopologicalSortPass
    from onnxruntime.transformers import float16

    net = onnx.ModelProto()
    net.CopyFrom(model)
    front, kept = _cut_front(net.graph, before_the_net(model))
    with quiet():
        made = float16.convert_float_to_float16(
            net, keep_io_types=True, op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *SENSITIVE]
        )
    _once(made.graph)
    # The converter leaves types of before in it, and nodes out of order.
    del made.graph.value_info[:], made.graph.input[:], made.metadata_props[:]
    made.graph.input.extend(model.graph.input)
    made.graph.initializer.extend(kept)
    made.graph.node.extend(front)
    made.metadata_props.extend(model.metadata_props)
    _join(made.graph)
    result = ir.from_proto(made)
    TopologicalSortPass()(result)
    return ir.to_proto(result)


def _once(graph: Any) -> None:
    """Take out casts that are there already: the converter makes one for each reader of a tensor, all of one name."""
    seen: dict[tuple[str, ...], Any] = {}
    for node in list(graph.node):
        first = seen.setdefault(tuple(node.output), node)
        if first is not node and node.op_type == "Cast" and first.input == node.input:
            graph.node.remove(node)


def _join(graph: Any) -> None:
    """Take out what goes to float16 only to come back: between two operators that keep float32, and at an output."""
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    makers = {name: node for node in graph.node for name in node.output}
    outputs = {one.name for one in graph.output}
    for back in [node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == 1]:
        there = makers.get(back.input[0])
        if there is None or there.op_type != "Cast" or there.attribute[0].i != 10 or users[back.input[0]] != 1:
            continue
        source = makers.get(there.input[0])
        if source is None or users[there.input[0]] != 1 or outputs & {there.input[0], there.output[0]}:
            continue
        place = list(source.output).index(there.input[0])
        source.output[place] = back.output[0]
        makers[back.output[0]] = source
        graph.node.remove(there)
        graph.node.remove(back)


def _cut_front(graph: Any, names: list[str]) -> tuple[list[Any], list[Any]]:
    """Take the nodes ``names`` out of ``graph``, whose inputs are then what they made; and their initializers."""
    import onnx

    front = [node for node in graph.node if node.name in set(names)]
    if not front:
        return [], []
    rest = [node for node in graph.node if node.name not in set(names)]
    used = {name for node in rest for name in node.input}
    own = {name for node in front for name in node.input} - used
    kept = [one for one in graph.initializer if one.name in own]
    others = [one for one in graph.initializer if one.name not in own]
    crossing = [name for node in front for name in node.output if name in used]
    known = {one.name: one for one in onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph)).graph.value_info}
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(rest)
    graph.initializer.extend(others)
    graph.input.extend(known[name] for name in crossing)
    return front, kept


def before_the_net(model: Any) -> list[str]:
    """Names of the nodes that turn pictures into the net's input: all up to the first that has trained weights."""
    if model.graph.input[0].type.tensor_type.elem_type == 1:
        return []
    names: list[str] = []
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            return names
        names.append(node.name)
    return names


@contextmanager
def quiet() -> Iterator[None]:
    """The converters' advice is for their own users."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
