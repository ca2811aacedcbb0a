"""How much memory the tensors of an ONNX graph take at most while it runs, from its shapes. Nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def peak(model: str | Path, shapes: Mapping[str, Sequence[int]]) -> int:
    """Bytes of the tensors between the operators that are held at a time, for inputs of ``shapes``.

    Operators run in the order of the file, and a tensor goes when its last reader has run. Weights do not count, nor
    does what an operator needs inside.
    """
    import onnx

    loaded = onnx.load(model, load_external_data=False)
    del loaded.graph.value_info[:]
    for value in loaded.graph.input:
        for size, given in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            size.dim_value = given
    graph = onnx.shape_inference.infer_shapes(loaded).graph
    held = {}
    for value in (*graph.output, *graph.value_info, *graph.input):
        tensor = value.type.tensor_type
        if tensor.elem_type:
            item = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).itemsize
            held[value.name] = item * int(np.prod([size.dim_value or 1 for size in tensor.shape.dim], dtype=np.int64))
    last = {name: place for place, node in enumerate(graph.node) for name in node.input}
    last.update({value.name: len(graph.node) for value in graph.output})
    live = sum(held.get(value.name, 0) for value in graph.input)
    most = live
    for place, node in enumerate(graph.node):
        live += sum(held.get(name, 0) for name in node.output)
        most = max(most, live)
        live -= sum(held.get(name, 0) for name in {*node.input, *node.output} if last.get(name, place) == place)
    return most
