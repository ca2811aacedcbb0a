"""Layers that Caffe itself does not have become layers that every Caffe has: the way back to BVLC's own types.

    before:  fc7 -> norm (Normalize: y = scale x / sqrt(sum of x^2 + eps))
    after:   fc7 -+-> norm/square (Power 2) -> norm/sum (1x1 Convolution of ones, C -> 1)
                  |       -> norm/root (Power -0.5, shift eps) -> norm/scale (1x1 Convolution 1 -> C: the scale)
                  `-> norm (Eltwise PROD) <-'
             on blobs of 2 axes InnerProduct stands in the convolutions' places; answers within rounding, any batch

Neither Reduction nor Tile is used, which OpenCV's reader does not know. What has no such form is refused, all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelungo.definition.edits import DeleteLayer, Edit, InsertLayer, RenameBlob
from caffelungo.definition.schema import TEST, LayerParameter
from caffelungo.errors import Problem, UserError
from caffelungo.layers.base import shape_text
from caffelungo.passes.base import Note, Rewrite
from caffelungo.passes.moves import Array, Blobs, Move
from caffelungo.passes.names import Names
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer

TYPES = frozenset({
    "AbsVal", "Accuracy", "ArgMax", "BNLL", "BatchNorm", "BatchReindex", "Bias", "Clip", "Concat", "ContrastiveLoss",
    "Convolution", "Crop", "Data", "Deconvolution", "Dropout", "DummyData", "ELU", "Eltwise", "Embed", "EuclideanLoss",
    "Exp", "Filter", "Flatten", "HDF5Data", "HDF5Output", "HingeLoss", "Im2col", "ImageData", "InfogainLoss",
    "InnerProduct", "Input", "LRN", "LSTM", "Log", "MVN", "MemoryData", "MultinomialLogisticLoss", "PReLU",
    "Parameter", "Pooling", "Power", "Python", "RNN", "ReLU", "Reduction", "Reshape", "SPP", "Scale", "Sigmoid",
    "SigmoidCrossEntropyLoss", "Silence", "Slice", "Softmax", "SoftmaxWithLoss", "Split", "Swish", "TanH", "Threshold",
    "Tile", "WindowData",
})  # fmt: skip
"""The layer types of BVLC's Caffe."""


@dataclass(frozen=True)
class BvlcOptions:
    """Nothing to choose."""


def bvlc(view: View, options: BvlcOptions) -> Rewrite:
    """The rewrite; UserError with every layer that has no form in Caffe's own types."""
    graph = view.graphs.get(TEST) or view.graph
    edits: list[Edit] = []
    moves: list[Move] = []
    notes: list[Note] = []
    problems: list[Problem] = []
    names = Names(view)
    for planned in graph.plan.layers:
        if planned.layer.type in TYPES:
            continue
        where = view.where(planned.index)
        shape = planned.bottom_shapes[0] if planned.bottom_shapes else None
        if planned.layer.type != "Normalize":
            problems.append(
                Problem(
                    f"layer `{planned.name}` is of type {planned.layer.type}, which Caffe does not have",
                    where,
                    f"type: {planned.layer.type}",
                    "replace it with layers that `lungo layers` says are Caffe's, or export to ONNX",
                )
            )
        elif shape is None or len(shape) not in (2, 4) or None in shape[1:]:
            problems.append(
                Problem(
                    f"layer `{planned.name}` (Normalize) can be rewritten for blobs of 2 or 4 axes only",
                    where,
                    f"bottom {shape_text(shape)}",
                    "give the net's input a shape, or put a Reshape before it",
                )
            )
        else:
            made, kept = _normalize(planned, tuple(int(size or 0) for size in shape), names)
            edits += [InsertLayer(planned.index, layer) for layer in made]
            edits.append(DeleteLayer(planned.index))
            if planned.tops[0] == planned.bottoms[0]:
                edits.append(RenameBlob(planned.tops[0], made[-1].top[0], planned.index + 1))
            moves.append(kept)
            notes.append(Note(f"`{planned.name}` (Normalize) as {len(made)} layers of Caffe's own", where))
    if problems:
        raise UserError(problems)
    return Rewrite(tuple(edits), tuple(moves), tuple(notes))


def _normalize(planned: PlannedLayer, shape: tuple[int, ...], names: Names) -> tuple[list[Any], Move]:
    """The five layers, and the move that gives them their weights."""
    layer: Any = planned.layer
    old, bottom, channels = planned.name, planned.bottoms[0], shape[1]
    whole = layer.whole and any(size != 1 for size in shape[2:])
    plane = shape[2:] if whole else (1,) * len(shape[2:])
    square, total, root, scale = (names.take(f"{old}/{part}") for part in ("square", "sum", "root", "scale"))
    product = planned.tops[0] if planned.tops[0] != bottom else names.take(f"{old}/product")
    first = LayerParameter(name=square, type="Power", bottom=[bottom], top=[square])
    first.power_param.power = 2
    second = _sums(total, square, 1, plane)
    third = LayerParameter(name=root, type="Power", bottom=[total], top=[root])
    third.power_param.power, third.power_param.shift = -0.5, layer.eps
    fourth = _sums(scale, root, channels, plane)
    if whole:  # from one number a picture back to the plane
        fourth.type = "Deconvolution"
    fifth = LayerParameter(name=old, type="Eltwise", bottom=[bottom, scale], top=[product])
    fifth.eltwise_param.operation = fifth.eltwise_param.PROD

    def apply(blobs: Blobs) -> None:
        if old in blobs:
            factors: Array = np.broadcast_to(blobs.pop(old)[0].reshape(-1), (channels,)).astype(np.float32)
            column = factors.reshape(channels, 1, *(1,) * len(plane))
            blobs[total] = [np.ones((1, channels, *plane), np.float32)]
            blobs[scale] = [np.ascontiguousarray(np.broadcast_to(column, (channels, 1, *plane)))]
            if whole:
                blobs[scale] = [blobs[scale][0].transpose(1, 0, 2, 3).copy()]  # inputs first

    return [first, second, third, fourth, fifth], Move(f"the scale of `{old}` becomes the weights of `{scale}`", apply)


def _sums(name: str, bottom: str, units: int, plane: tuple[int, ...]) -> Any:
    """Weighted sums without a bias: of a row of numbers, or over a window of ``plane``."""
    layer = LayerParameter(name=name, bottom=[bottom], top=[name])
    options: Any
    if not plane:
        layer.type = "InnerProduct"
        options = layer.inner_product_param
    else:
        layer.type = "Convolution"
        options = layer.convolution_param
        if plane[0] == plane[1]:
            options.kernel_size.append(plane[0])
        else:
            options.kernel_h, options.kernel_w = plane
    options.num_output, options.bias_term = units, False
    options.weight_filler.type, options.weight_filler.value = "constant", 1
    return layer
