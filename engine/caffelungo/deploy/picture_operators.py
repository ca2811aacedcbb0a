"""The operators that turn pictures into the net's input, as the preprocessing record says. No torch.

    image, uint8 -> Transpose -> Gather -> Cast -> Resize -> Slice -> Round -> Sub -> Mul -> the input blob

Each is there only where it changes anything; Resize, Slice (the centre crop) and Round where pictures of any size
enter. Round, because the net was trained on whole levels: in a small picture made large they form steps, which a net
sees. Where the record names the shorter side, the other one is counted from the picture's size as the graph runs:
Resize's own ``keep_aspect_ratio_policy`` reads the picture at other places, since it keeps the ratio and not the whole
sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from caffelungo.data.preprocess import centre, channels, mean
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.free_sizes import HEIGHT, WIDTH
from caffelungo.errors import Problem, UserError

IMAGE = "image"
"""Name of the input that takes pictures, where no blob of the net bears it."""

LAYOUTS = ("NHWC", "NCHW")
INTERPOLATION = "bilinear, half-pixel centres, no antialiasing"
"""How Resize reads a picture, which is how ``data.resize_pixels`` does."""


@dataclass(frozen=True)
class Front:
    """``record`` (complete) says what is done to pictures, which come in ``layout``; with ``resize`` in any size.

    ``image`` is the name of the input that takes them.
    """

    record: Any
    layout: str = "NHWC"
    resize: bool = False
    image: str = IMAGE

    def shape(self, height: Any, width: Any) -> tuple[Any, ...]:
        """The input's sizes behind the batch."""
        colors = channels(self.record)
        return (height, width, colors) if self.layout == "NHWC" else (colors, height, width)


def check_layout(layout: str) -> None:
    """UserError for an unknown layout."""
    if layout.upper() not in LAYOUTS:
        raise UserError("unknown layout of pictures", received=layout, remedy="use nhwc (decoders return it) or nchw")


def problems_of_resize(record: Any) -> list[Problem]:
    """What keeps the resize and the crop of ``record`` from being done in the graph."""
    tall, wide = (record.resize_height, record.resize_width) if record.resize_height else (record.resize_shorter,) * 2
    if record.crop_height <= tall and record.crop_width <= wide:
        return []
    made = f"{tall}x{wide}" if record.resize_height else f"shorter side {record.resize_shorter}"
    return [
        Problem("pictures are resized to less than the crop", None,
                f"{made} for a crop of {record.crop_height}x{record.crop_width}",
                "resize to at least the crop: lungo convert --resize 256")
    ]  # fmt: skip


def prepend(model: ir.Model, front: Front, plane: Sequence[int], layer: str) -> list[str]:
    """Put ``front`` before the one input of ``model``, a blob of ``plane`` (height, width); names of its constants.

    Nodes bear ``layer`` as the place they come from (see ``onnx_names.apply``).
    """
    made = _Made(model.graph, layer)
    blob, record = model.graph.inputs[0], front.record
    batch = (blob.shape or ir.Shape([1]))[0]
    size = (ir.SymbolicDim(HEIGHT), ir.SymbolicDim(WIDTH)) if front.resize else tuple(plane)
    shape = ir.Shape([batch, *front.shape(*size)])
    image = ir.Value(name=front.image, shape=shape, type=ir.TensorType(ir.DataType.UINT8))
    values = image
    if front.layout == "NHWC":
        values = made.node("Transpose", values, perm=[0, 3, 1, 2])
    if record.channel_order == Preprocessing.BGR:
        values = made.node("Gather", values, made.constant("order", np.array([2, 1, 0])), axis=1)
    values = made.node("Cast", values, to=ir.DataType.FLOAT)
    if front.resize:
        values = made.node("Round", _resized(made, values, record))
    subtract = mean(record)
    if subtract is not None:
        values = made.node("Sub", values, made.constant("mean", subtract[None]))
    if record.scale != 1:
        values = made.node("Mul", values, made.constant("scale", np.array(record.scale, np.float32)))
    values.shape, values.type = ir.Shape([batch, channels(record), *plane]), ir.TensorType(ir.DataType.FLOAT)
    blob.replace_all_uses_with(values, replace_graph_outputs=True)
    model.graph.inputs.pop(0)
    model.graph.inputs.insert(0, image)
    if len(model.graph):
        model.graph.insert_before(model.graph[0], made.nodes)
    else:
        model.graph.extend(made.nodes)
    return made.constants


def _resized(made: _Made, values: ir.Value, record: Any) -> ir.Value:
    crop = np.array([record.crop_height, record.crop_width])
    how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel", "axes": [2, 3]}
    if record.resize_height:
        size = np.array([record.resize_height, record.resize_width])
        values = made.node("Resize", values, None, None, made.constant("size", size), **how)
        if not record.crop_height or (size == crop).all():
            return values
        start = np.array([centre(*pair) for pair in zip(size.tolist(), crop.tolist(), strict=True)])
        first, behind = made.constant("crop_start", start), made.constant("crop_end", start + crop)
    else:
        shorter = made.constant("shorter", np.array(record.resize_shorter, np.float32))
        own = made.node("Cast", made.node("Shape", values, start=2), to=ir.DataType.FLOAT)
        exact = made.node("Div", made.node("Mul", own, shorter), made.node("ReduceMin", own))
        sizes = made.node("Cast", made.node("Round", exact), to=ir.DataType.INT64)
        values = made.node("Resize", values, None, None, sizes, **how)
        taken, two = made.constant("crop", crop), made.constant("two", np.array(2))
        first = made.node("Div", made.node("Sub", sizes, taken), two)
        behind = made.node("Add", first, taken)
    return made.node("Slice", values, first, behind, made.constant("axes", np.array([2, 3])))


class _Made:
    """Nodes and constants on their way into ``graph``."""

    def __init__(self, graph: ir.Graph, layer: str) -> None:
        self.graph, self.layer = graph, layer
        self.nodes: list[ir.Node] = []
        self.constants: list[str] = []

    def node(self, kind: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        made = ir.node(kind, inputs, attributes=attributes)
        made.metadata_props["pkg.torch.onnx.name_scopes"] = f"['', '{self.layer}']"
        self.nodes.append(made)
        return made.outputs[0]

    def constant(self, role: str, array: NDArray[Any]) -> ir.Value:
        name = f"{self.layer}.{role}"
        tensor = ir.tensor(array, name=name)
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self.graph.register_initializer(value)
        self.constants.append(name)
        return value
