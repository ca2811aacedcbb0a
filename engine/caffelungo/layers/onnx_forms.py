"""ONNX forms that are more than one operator: modules that replace a layer while a graph is traced.

Each gets the bottoms and returns top 0; the batch is the only free size, so that windows and pads are plain numbers and
no shape is computed at run time. Imports torch: import it from ``Layer.onnx``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from caffelungo.layers import broadcast
from caffelungo.layers.pools import LOWEST
from caffelungo.layers.shapes import Shape


def sizes(shape: Shape | None) -> tuple[int, ...]:
    """The sizes of a blob of known shape, without the batch."""
    assert shape is not None
    return tuple(int(size) for size in shape[1:] if size is not None)


class Operator(nn.Module):
    """One ONNX operator with constant attributes; ``shape`` is the top's, without the batch."""

    def __init__(self, kind: str, attributes: dict[str, Any], shape: Sequence[int]) -> None:
        super().__init__()
        self.kind, self.attributes, self.shape = kind, attributes, tuple(shape)

    def forward(self, *inputs: Tensor) -> Tensor:
        x = inputs[0]
        return torch.onnx.ops.symbolic(
            self.kind, inputs, self.attributes, dtype=x.dtype, shape=(x.shape[0], *self.shape)
        )


class StoredBatchNorm(nn.Module):
    """BatchNorm with stored statistics, the division by their factor done."""

    mean: Tensor
    variance: Tensor

    def __init__(self, blobs: Sequence[Tensor], eps: float) -> None:
        super().__init__()
        mean, variance, factor = (blob.detach() for blob in blobs)
        scale = torch.where(factor == 0, torch.zeros_like(factor), 1 / factor)
        self.register_buffer("mean", mean * scale)
        self.register_buffer("variance", variance * scale)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(x, self.mean, self.variance, eps=self.eps)


class BatchStatistics(nn.Module):
    """BatchNorm with the batch's own statistics, as `use_global_stats: false` asks for."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        centred = x - x.mean(axes, keepdim=True)
        return centred / torch.sqrt(centred.square().mean(axes, keepdim=True) + self.eps)


class L2Norm(nn.Module):
    """x / sqrt(sum of x^2 + eps) * scale: no ONNX operator of this opset has the eps under the root."""

    axes: Tensor
    scale: Tensor

    def __init__(self, axes: Sequence[int], eps: float, scale: Tensor, scale_shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("axes", torch.tensor(list(axes), dtype=torch.int64))
        self.reduced = tuple(axes)
        self.register_buffer("scale", scale.detach().reshape(tuple(scale_shape)).clone())
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        left = [1 if axis in self.reduced else size for axis, size in enumerate(x.shape)]
        total = torch.onnx.ops.symbolic("ReduceSumSquare", (x, self.axes), {"keepdims": 1}, dtype=x.dtype, shape=left)
        return x / torch.sqrt(total + self.eps) * self.scale


class LpNormalization(nn.Module):
    """The same with eps 0, for which ONNX has one operator."""

    scale: Tensor

    def __init__(self, scale: Tensor, scale_shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("scale", scale.detach().reshape(tuple(scale_shape)).clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.onnx.ops.symbolic(
            "LpNormalization", (x,), {"axis": 1, "p": 2}, dtype=x.dtype, shape=x.shape
        )


class ScaleAndBias(nn.Module):
    """Scale and bias, laid beside the bottom's axes beforehand."""

    scale: Tensor
    bias: Tensor | None

    def __init__(self, blobs: Sequence[Tensor], rank: int, first: int) -> None:
        super().__init__()
        x = torch.empty((1,) * rank)
        scale, *bias = (broadcast.beside(blob.detach(), x, first) for blob in blobs)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias[0] if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        top = x * self.scale
        return top if self.bias is None else top + self.bias


class MeanVariance(nn.Module):
    """(x - mean) / (sqrt(variance) + eps), without what its gradient needs."""

    def __init__(self, axes: Sequence[int], divide: bool, eps: float) -> None:
        super().__init__()
        self.axes, self.divide, self.eps = tuple(axes), divide, eps

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(self.axes, keepdim=True)
        if not self.divide:
            return centred
        return centred / (torch.sqrt((centred * centred).mean(self.axes, keepdim=True)) + self.eps)


class Padded(nn.Module):
    """Constant padding (left, right, top, bottom) before or after a pool."""

    def __init__(self, before: Sequence[int], pool: Operator, after: Sequence[int] = (), value: float = 0.0) -> None:
        super().__init__()
        self.before, self.pool, self.after, self.value = tuple(before), pool, tuple(after), value

    def forward(self, x: Tensor) -> Tensor:
        top = self.pool(nn.functional.pad(x, self.before) if self.before else x)
        return nn.functional.pad(top, self.after, value=self.value) if self.after else top


def pool(
    bottom: Sequence[int], top: Sequence[int], kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int],
    mean: bool,
) -> nn.Module:  # fmt: skip
    """Caffe's pooling of ``bottom`` to ``top`` (channels, height, width)."""
    size, out = tuple(bottom[1:]), tuple(top[1:])
    # No runtime need be asked whether it takes a window larger than the padded plane.
    kernel = [min(k, n + 2 * p) for k, n, p in zip(kernel, size, pad, strict=True)]
    if out == (1, 1) and tuple(kernel) == size and tuple(pad) == (0, 0):
        return Operator("GlobalAveragePool" if mean else "GlobalMaxPool", {}, top)
    # Windows that hold any input; a stride beyond the kernel can leave one that holds none.
    full = tuple(min(o, -(-(n + p) // s)) for o, n, p, s in zip(out, size, pad, stride, strict=True))
    # What the last window needs beyond the bottom, said outright so that no operator rounds sizes for itself; less
    # than the padding where windows that start in it are left out.
    ends = [(o - 1) * s + k - n - p for o, s, k, n, p in zip(full, stride, kernel, size, pad, strict=True)]
    end = tuple(max(0, e) for e in ends)
    attributes: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(stride)}
    before: tuple[int, ...] = ()
    if not mean:
        attributes["pads"] = [*pad, *end]
    elif tuple(pad) == (0, 0) or all(e <= p for e, p in zip(end, pad, strict=True)):
        attributes |= {"pads": [*pad, *end], "count_include_pad": int(tuple(pad) != (0, 0))}
    else:
        # Zeros count inside the padding but not beyond it: the padding becomes input, what is beyond stays padding.
        (high, wide), beyond = pad, [max(0, e - p) for e, p in zip(end, pad, strict=True)]
        before = (wide, wide, high, high)
        attributes |= {"pads": [0, 0, *beyond], "count_include_pad": 0}
    pool = Operator("AveragePool" if mean else "MaxPool", attributes, (top[0], *full))
    after = (0, out[1] - full[1], 0, out[0] - full[0]) if full != out else ()
    return Padded(before, pool, after, 0.0 if mean else LOWEST) if before or after else pool


def free_pool(layer: Any, top: Shape | None) -> nn.Module:
    """A Pooling whose windows are counted upwards, as operators that count them downwards at any height and width.

    The plane is padded by stride - 1 at its end. Where a window could start in the padding (stride + pad above the
    kernel) that would be one too many.
    """
    if layer.whole:
        return Operator("GlobalAveragePool" if layer.mean else "GlobalMaxPool", {}, sizes(top))
    kernel, stride, pad = layer.kernel, layer.stride, layer.pad
    attributes: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(stride)}
    end = [s - 1 if layer.ceil else 0 for s in stride]
    before: tuple[int, ...] = ()
    if layer.mean and any(pad) and any(end):
        before, attributes["pads"] = (pad[1], pad[1], pad[0], pad[0]), [0, 0, *end]
        attributes["count_include_pad"] = 0
    elif layer.mean:
        attributes |= {"pads": [*pad, *(p + e for p, e in zip(pad, end, strict=True))]}
        attributes["count_include_pad"] = int(any(pad))
    elif all(s + p <= k for k, s, p in zip(kernel, stride, pad, strict=True)) or not layer.ceil:
        attributes["pads"] = [*pad, *(p + e for p, e in zip(pad, end, strict=True))]
    else:
        attributes |= {"pads": [*pad, *pad], "ceil_mode": 1}
    pool = Operator("AveragePool" if layer.mean else "MaxPool", attributes, sizes(top))
    return Padded(before, pool) if before else pool


class CropToBottom(nn.Module):
    """The part of bottom 0 that is as large as bottom 1, whose sizes are asked for as the graph runs."""

    offsets: Tensor
    axes: Tensor

    def __init__(self, offsets: Sequence[int], axis: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.tensor(list(offsets), dtype=torch.int64))
        self.register_buffer("axes", torch.arange(axis, axis + len(offsets), dtype=torch.int64))
        self.axis, self.shape = axis, tuple(shape)

    def forward(self, x: Tensor, model: Tensor) -> Tensor:
        size = torch.onnx.ops.symbolic(
            "Shape", (model,), {"start": self.axis, "end": x.dim()}, dtype=torch.int64, shape=(len(self.offsets),)
        )
        end = torch.onnx.ops.symbolic("Add", (size, self.offsets), dtype=torch.int64, shape=(len(self.offsets),))
        return torch.onnx.ops.symbolic(
            "Slice", (x, self.offsets, end, self.axes), dtype=x.dtype, shape=(x.shape[0], *self.shape)
        )


class Pyramid(nn.Module):
    """Pools of several windows, laid side by side."""

    def __init__(self, pools: Sequence[nn.Module]) -> None:
        super().__init__()
        self.pools = nn.ModuleList(pools)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([pool(x).flatten(1) for pool in self.pools], 1)
