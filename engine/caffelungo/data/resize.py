"""Bilinear resize of 8-bit pictures with the very numbers of OpenCV's ``INTER_LINEAR``.

Half-pixel centres, no antialiasing, weights of 11 bits and the rounding of OpenCV's fixed-point code, because a net
trained on pictures that Caffe resized should see those pictures again. Pillow's BILINEAR filters when it shrinks and
gives other pixels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
_ONE = 2048


@lru_cache(maxsize=64)
def _taps(size: int, target: int, rows: bool) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """For each target place the two source places it reads and their weights, which sum to 2048.

    Beyond the border OpenCV reads one column with weight 2048, but one row with both weights, each product cut off.
    """
    scale = size / target
    centre = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(centre).astype(np.int64)
    share = centre - first.astype(np.float32)
    if not rows:
        share[(first < 0) | (first >= size - 1)] = 0
    second = np.clip(first + 1, 0, size - 1)
    first = np.clip(first, 0, size - 1)
    high = np.rint(share * np.float32(_ONE)).astype(np.int32)
    low = np.rint((np.float32(1) - share) * np.float32(_ONE)).astype(np.int32)
    return first, second, low, high


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """``image`` (H x W x C or H x W, uint8) at ``height`` x ``width``, as ``cv2.resize`` gives it."""
    if image.shape[:2] == (height, width):
        return image
    left, right, left_weight, right_weight = _taps(image.shape[1], width, rows=False)
    top, bottom, top_weight, bottom_weight = _taps(image.shape[0], height, rows=True)
    shape = image.shape
    if 2 * width == shape[1] and 2 * height == shape[0]:
        return _halved(image)
    channels = shape[2] if image.ndim == 3 else 1
    flat = image.reshape(shape[0], shape[1], channels)
    rows, places = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    picked = flat[rows]
    along = np.empty((len(rows), width, channels), np.int32)
    np.multiply(picked[:, left], left_weight[:, None], out=along)
    along += picked[:, right] * right_weight[:, None]
    along >>= 4
    upper, lower = along[places[: len(top)]], along[places[len(top) :]]
    upper *= top_weight[:, None, None]
    upper >>= 16
    lower *= bottom_weight[:, None, None]
    lower >>= 16
    upper += lower
    upper += 2
    upper >>= 2
    return upper.astype(np.uint8).reshape(height, width, *shape[2:])


def _halved(image: Pixels) -> Pixels:
    """OpenCV takes the mean of 2 x 2 pixels when both sides are exactly halved."""
    wide = image.astype(np.uint16)
    total = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def resize_shorter(image: Pixels, shorter: int) -> Pixels:
    """``image`` with its shorter side at ``shorter`` pixels, the aspect ratio kept."""
    height, width = image.shape[:2]
    if height <= width:
        return resize(image, shorter, max(1, round(width * shorter / height)))
    return resize(image, max(1, round(height * shorter / width)), shorter)
