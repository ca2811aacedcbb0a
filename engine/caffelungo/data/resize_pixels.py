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
Index = NDArray[np.int64]
Weight = NDArray[np.int32]
_ONE = 2048


@lru_cache(maxsize=64)
def _taps(size: int, target: int, rows: bool) -> tuple[Index, Index, Weight, Weight]:
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


@lru_cache(maxsize=64)
def _columns(size: int, target: int, channels: int) -> tuple[Index, Index, Weight, Weight]:
    """``_taps`` of a row of interleaved pixels, channel by channel."""
    left, right, left_weight, right_weight = _taps(size, target, rows=False)
    step = np.arange(channels)
    places = [(column[:, None] * channels + step).ravel() for column in (left, right)]
    weights = [np.repeat(weight, channels) for weight in (left_weight, right_weight)]
    return places[0], places[1], weights[0], weights[1]


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """``image`` (H x W x C or H x W, uint8) at ``height`` x ``width``, as ``cv2.resize`` gives it."""
    if image.shape[:2] == (height, width):
        return image
    rows, columns = image.shape[:2]
    if (rows, columns) == (2 * height, 2 * width):
        return _halved(image)
    channels = image.shape[2] if image.ndim == 3 else 1
    flat = image.reshape(rows, columns * channels)
    top, bottom, top_weight, bottom_weight = _taps(rows, height, rows=True)
    if 2 * height < rows:  # rows that nothing reads need no first pass
        used, places = np.unique(np.concatenate([top, bottom]), return_inverse=True)
        flat, top, bottom = flat[used], places[:height], places[height:]
    left, right, left_weight, right_weight = _columns(columns, width, channels)
    along = np.multiply(flat.take(left, axis=1), left_weight, dtype=np.int32)
    along += np.multiply(flat.take(right, axis=1), right_weight, dtype=np.int32)
    along >>= 4
    upper, lower = along.take(top, axis=0), along.take(bottom, axis=0)
    upper *= top_weight[:, None]
    upper >>= 16
    lower *= bottom_weight[:, None]
    lower >>= 16
    upper += lower
    upper += 2
    upper >>= 2
    return upper.astype(np.uint8).reshape(height, width, *image.shape[2:])


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
