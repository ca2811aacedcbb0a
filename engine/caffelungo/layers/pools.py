"""Pooling as Caffe computes it, on torch's operators where they agree: sizes, and maxima or means.

Caffe: PoolingLayer::Reshape and Forward_cpu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[int, int]

LOWEST = -3.4028234663852886e38
"""What Caffe's maximum starts from (-FLT_MAX): the value of a window that holds no input at all."""


def pooled(size: int, axis: int, kernel: Pair, stride: Pair, pad: Pair, ceil: bool = True) -> int:
    """Size of the top along spatial axis 0 or 1; 0 when not even one window fits.

    Rounded up, a window that reaches beyond the padded plane by less than the stride counts, and sees what is there.
    """
    room = size + 2 * pad[axis] - kernel[axis]
    windows = max((-(-room // stride[axis]) if ceil else room // stride[axis]) + 1, 0)
    # Caffe looks at both pads before it leaves out a window that starts in the padding of one axis.
    return windows - 1 if any(pad) and (windows - 1) * stride[axis] >= size + pad[axis] else windows


def pool(
    x: Tensor, kernel: Pair, stride: Pair, pad: Pair, *, mean: bool, ceil: bool = True, indices: bool = False
) -> list[Tensor]:
    """Means, or maxima (and, with ``indices``, where they are in the plane) of N x C x H x W."""
    import torch.nn.functional as F

    height, width = x.shape[2], x.shape[3]
    gaps = any(step > size for step, size in zip(stride, kernel, strict=True))
    # torch allows a pad of half the kernel at most; a larger one is laid around the input here.
    wide = any(2 * rows > size for rows, size in zip(pad, kernel, strict=True))
    inner, (top, left) = ((0, 0), pad) if wide else (pad, (0, 0))
    if wide:
        x = F.pad(x, (left, left, top, top), value=0.0 if mean else float("-inf"))
    if mean:
        tops = [F.avg_pool2d(x, kernel, stride, inner, ceil)]
    elif indices:
        y, at = F.max_pool2d(x, kernel, stride, inner, 1, ceil, return_indices=True)
        if wide:
            at = (at // x.shape[3] - top) * width + at % x.shape[3] - left
        tops = [y, at.float()]
    else:
        tops = [F.max_pool2d(x, kernel, stride, inner, 1, ceil)]
    if wide or gaps:
        down = pooled(height, 0, kernel, stride, pad, ceil) - tops[0].shape[2]
        right = pooled(width, 1, kernel, stride, pad, ceil) - tops[0].shape[3]
        # Negative amounts cut windows that start in the padding, positive ones add windows without input.
        fills = [0.0 if mean else LOWEST, -1.0]
        tops = [F.pad(y, (0, right, 0, down), value=fill) for y, fill in zip(tops, fills, strict=False)]
    return tops
