"""From a deployed net to an ONNX model: the leaves of the graph through PyTorch's exporter, under Caffe's names.

The net is traced with every blob as an output, so that each tensor is known by its place in a list; the blobs that
are no outputs of the net are let go once all are named.
"""

from __future__ import annotations

import logging
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnx_ir.passes import common as passes
from onnxscript.optimizer import fold_constants
from torch import Tensor, fx

from caffelungo.deploy import onnx_names
from caffelungo.deploy.operators import replacement
from caffelungo.deploy.picture_operators import Front, prepend
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan

BATCH = "batch"
EXAMPLE_BATCH = 2
"""Batch of the example input: 0 and 1 would be taken for fixed sizes."""


@dataclass(frozen=True)
class Traced:
    """The ONNX model, and the tensor name of each of the plan's values."""

    model: ir.Model
    names: list[str]


def trace(
    plan: Plan,
    store: Store,
    outputs: Sequence[str],
    *,
    opset: int,
    front: Front | None = None,
    known: onnx_names.BlobNames | None = None,
    stands_for: Mapping[str, str] | None = None,
    batch: int | None = None,
    free_size: bool = False,
) -> Traced:
    """The ONNX model of ``plan`` with the weights in ``store`` and the output blobs ``outputs``.

    With ``front`` the one input takes pictures. ``known`` (None: those of ``plan``) are the names of the net's blobs
    before it was folded as ``stands_for`` says (see ``Folded``); it notes what had to be called otherwise.
    ``batch`` is the one number of pictures that the graph takes; None: any. ``free_size``: operators hold at any height
    and width, though the graph still names those of ``plan`` (see ``free_sizes.open_sizes``).
    """
    module, values = _all_values(plan, store, free_size)
    layers = {node.target: node.meta["caffe"]["layer"] for node in module.graph.nodes if node.op == "call_module"}
    program = _run_exporter(module, _examples(plan, batch or EXAMPLE_BATCH), opset, free=batch is None)
    model = program.model
    _simplify(model, free_size)
    blobs = _blob_names(plan, module, layers)
    if front is not None:
        layer = "preprocess"
        while layer in layers or layer in layers.values():
            layer += "_"
        layers[layer] = layer
        blobs |= {name: name for name in prepend(model, front, _sizes(plan)[0][1:], layer)}
    found = [_behind_alias(output) for output in model.graph.outputs]
    known = known or onnx_names.BlobNames(plan)
    value_names = known.of(plan, stands_for)
    model.graph.outputs.clear()
    named = [
        onnx_names.Named(found[position], value_names[value], plan.values[value].producer)
        for position, value in enumerate(values)
    ]
    if front is not None:
        named.append(onnx_names.Named(model.graph.inputs[0], front.image, ""))
    _set_outputs(model, named, outputs)
    passes.RemoveUnusedNodesPass()(model)
    if batch is None:
        _tidy(model)
    onnx_names.apply(model, named, layers, blobs, known)
    _strip(model)
    return Traced(model, value_names)


def _all_values(plan: Plan, store: Store, free_size: bool = False) -> tuple[fx.GraphModule, list[int]]:
    """The net's graph with every value as an output, and the number of each value in the order of the outputs."""
    module = GraphNet(plan, store, overwrite=False).module
    graph = module.graph
    planned = {p.name: p for p in plan.layers}
    nodes: dict[int, fx.Node] = {}
    for node in graph.nodes:
        if node.op == "output" or "caffe" not in node.meta:
            continue
        layer = planned[node.meta["caffe"]["layer"]]
        if node.op == "placeholder":
            nodes[layer.top_values[layer.tops.index(node.meta["caffe"]["tops"][0])]] = node
        elif node.target is operator.getitem:
            nodes[layer.top_values[node.args[1]]] = node
        elif len(layer.top_values) == 1:
            nodes[layer.top_values[0]] = node
        if node.op == "call_module":
            other = replacement(layer, module.get_submodule(node.target), free_size)
            if other is not None:
                setattr(module, node.target, other)
    values = sorted(nodes)
    output = next(iter(graph.find_nodes(op="output")))
    output.args = (tuple(nodes[value] for value in values),)
    graph.eliminate_dead_code()
    graph.lint()
    module.recompile()
    return module.eval(), values


def _sizes(plan: Plan) -> list[tuple[int, ...]]:
    """The shapes of the net's inputs, without the batch."""
    shapes = [shape for planned in plan.sources for shape in planned.top_shapes]
    return [tuple(int(size) for size in shape[1:] if size is not None) for shape in shapes if shape is not None]


def _examples(plan: Plan, batch: int) -> tuple[Tensor, ...]:
    return tuple(torch.zeros((batch, *size)) for size in _sizes(plan))


def _run_exporter(
    module: fx.GraphModule, examples: tuple[Tensor, ...], opset: int, *, free: bool
) -> torch.onnx.ONNXProgram:
    with _quiet(), torch.no_grad():
        exported = _captured(module, examples, free=free)
        program = torch.onnx.export(
            exported, dynamo=True, opset_version=opset, external_data=False, optimize=False, verbose=False
        )
    assert program is not None
    return program


def _captured(module: fx.GraphModule, examples: tuple[Tensor, ...], *, free: bool) -> torch.export.ExportedProgram:
    batch = torch.export.Dim(BATCH)
    return torch.export.export(module, examples, dynamic_shapes=tuple({0: batch} for _ in examples) if free else None)


def capture(plan: Plan, store: Store, batch: int | None = None) -> None:
    """The first half of ``trace`` alone, which most layers that cannot leave fail at already."""
    module, _ = _all_values(plan, store)
    with _quiet(), torch.no_grad():
        _captured(module, _examples(plan, batch or EXAMPLE_BATCH), free=batch is None)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's progress and deprecations are no news to whoever exports a net."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _simplify(model: ir.Model, free_size: bool) -> None:
    """Fold what is constant, shapes included.

    The exporter's own optimizer is left out: its rules take an eps of 1e-10 for zero and drop it.
    """
    passes.InlinePass()(model)
    for node in model.graph:
        if node.op_type == "Reshape" and not _flatten(model, node):
            _reshape_by_constant(model, node)
    _share_flattened(model)
    passes.RemoveUnusedNodesPass()(model)
    if free_size:  # sizes that are asked for as the graph runs must not be taken for those of the example
        for value in [*model.graph.inputs, *(output for node in model.graph for output in node.outputs)]:
            if value.shape is not None and len(value.shape) > 2:
                value.shape = ir.Shape([value.shape[0], *(ir.SymbolicDim(None) for _ in value.shape[1:])])
    fold_constants(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.RemoveUnusedOpsetsPass()(model)


def _flatten(model: ir.Model, node: ir.Node) -> bool:
    """Rows of one picture each need no shape to be named."""
    given, made = node.inputs[0], node.outputs[0]
    assert given is not None
    if given.shape is None or made.shape is None or len(made.shape) != 2 or given.shape[0] != made.shape[0]:
        return False
    flat = ir.node("Flatten", [given], attributes={"axis": 1})
    flat.metadata_props.update(node.metadata_props)
    flat.outputs[0].shape, flat.outputs[0].type = made.shape, made.type
    model.graph.insert_before(node, flat)
    made.replace_all_uses_with(flat.outputs[0], replace_graph_outputs=True)
    model.graph.remove(node, safe=True)
    return True


def _share_flattened(model: ir.Model) -> None:
    """One Flatten for all layers that read a blob as rows; those that are layers themselves stay."""
    first: dict[int, ir.Value] = {}
    for node in model.graph:
        if node.op_type == "Flatten" and node.attributes["axis"].as_int() == 1:
            made = node.outputs[0]
            kept = first.setdefault(id(node.inputs[0]), made)
            if kept is not made and not made.is_graph_output():
                made.replace_all_uses_with(kept)


def _reshape_by_constant(model: ir.Model, node: ir.Node) -> None:
    """Where the batch is the only free size, the new shape is a constant with -1 for it."""
    shape = node.outputs[0].shape
    if shape is None or sum(not isinstance(size, int) for size in shape) > 1:
        return
    sizes = np.array([size if isinstance(size, int) else -1 for size in shape], np.int64)
    if 0 in sizes:
        return
    constant = ir.node("Constant", [], attributes={"value": ir.tensor(sizes)})
    model.graph.insert_before(node, constant)
    node.replace_input_with(1, constant.outputs[0])
    node.attributes.pop("allowzero", None)  # some runtimes take it for a reason to refuse


def _behind_alias(value: ir.Value) -> ir.Value:
    """The tensor itself where the exporter gave a copy of it, because it was an output twice."""
    node = value.producer()
    while node is not None and node.op_type == "Identity" and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    return value


def _set_outputs(model: ir.Model, named: list[onnx_names.Named], outputs: Sequence[str]) -> None:
    """Make the tensors called ``outputs`` the model's outputs; one that is an input, or twice, gets a copy."""
    taken: set[int] = {id(value) for value in model.graph.inputs}
    last = {id(entry.value): entry.name for entry in named}
    for blob in outputs:
        position = max(index for index, entry in enumerate(named) if entry.name == blob)
        value = named[position].value
        if id(value) in taken or last[id(value)] != blob:
            node = ir.node("Identity", [value])
            copy = node.outputs[0]
            copy.shape, copy.type = value.shape, value.type
            model.graph.append(node)
            named[position] = onnx_names.Named(copy, blob, named[position].layer)
            value = copy
        taken.add(id(value))
        model.graph.outputs.append(value)


def _blob_names(plan: Plan, module: fx.GraphModule, layers: Mapping[Any, str]) -> dict[str, str]:
    """Initializer names of the exporter -> ``<layer>.<blob>``."""
    specs = {planned.name: planned.params for planned in plan.layers}
    result = {}
    for key, layer in layers.items():
        for position, use in enumerate(specs.get(layer, ())):
            result[f"{key}.blob{position}"] = f"{layer}.{use.spec.name}"
        for buffer, _ in module.get_submodule(str(key)).named_buffers():
            result[f"{key}.{buffer}"] = f"{layer}.{buffer}"
    return result


def _tidy(model: ir.Model) -> None:
    """Call the free size ``batch`` everywhere."""
    free = next(iter(model.graph.inputs[0].shape or ()), None)
    everything = [*model.graph.inputs, *(output for node in model.graph for output in node.outputs)]
    for value in everything:
        if value.shape is not None:
            sizes = [ir.SymbolicDim(BATCH) if size == free else size for size in value.shape]
            value.shape = ir.Shape(sizes)


def _strip(model: ir.Model) -> None:
    """Take out what the exporter notes for its own debugging: stack traces with the paths of this machine."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.doc_string = model.graph.doc_string = None
    model.graph.name = "net"
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
        for output in node.outputs:
            output.metadata_props.clear()
