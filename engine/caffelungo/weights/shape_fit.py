"""Whether a blob of a file may be read in the shape that a net has for it.

Caffe: Blob::ShapeEquals.
"""

from __future__ import annotations

from caffelungo.layers.base import Shape, count


def fits(file: Shape, net: Shape) -> bool:
    """Whether a blob of shape ``file`` may be read as ``net``: equal, or as many values in another layout.

    Leading ones do not count (1x1x1000x4096 is 1000x4096, as in old files), nor how the inputs of each output are
    laid out (4096x25088, or 1x1x4096x25088, is 4096x512x7x7).
    """
    if len(file) == len(net) and all(a == b or b is None for a, b in zip(file, net, strict=True)):
        return True
    if None in net or count(file) != count(net) or (len(file) == len(net) and not _matrix(file) and not _matrix(net)):
        return False
    a, b = _without_leading_ones(file), _without_leading_ones(net)
    return a[:1] == b[:1]


def _matrix(shape: Shape) -> bool:
    """Whether ``shape`` is that of a matrix or a vector in an old file, with ones before it."""
    return len(shape) == 4 and shape[:2] == (1, 1)


def _without_leading_ones(shape: Shape) -> Shape:
    first = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]
