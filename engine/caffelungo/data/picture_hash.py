"""What two files of the same picture have in common: a hash of the pixels, one of the outlines, and a thumbnail.

The hash of the outlines has 64 bits that hardly change when a picture is compressed or resized: its grey version at 32
x 32 pixels, the 8 x 8 lowest frequencies of the discrete cosine transform, and of each whether it is above the median
(pHash: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010). That takes two products of
matrices; the libraries that do so require SciPy and PyWavelets, which nothing else here needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.decode import Pixels, pixel_hash

SIDE = 32
LOW = 8
THUMBNAIL = 16


def _cosines() -> NDArray[np.float64]:
    """The first ``LOW`` rows of the transform (DCT-II) of ``SIDE`` values."""
    return np.cos(np.pi * np.arange(LOW)[:, None] * (np.arange(SIDE) + 0.5) / SIDE)


COSINES = _cosines()
MIRRORED = np.where(np.arange(LOW) % 2, -1.0, 1.0)
"""Mirroring a picture turns the sign of the odd frequencies along its rows."""


@dataclass(frozen=True, eq=False)
class PictureHash:
    """``content`` is equal for equal pixels only. ``outlines`` and ``mirrored`` (of the mirror image) have 64 bits.

    ``thumbnail`` is 16 x 16, grey.
    """

    content: bytes
    outlines: int
    mirrored: int
    thumbnail: NDArray[np.float32]


def picture_hash(pixels: Pixels) -> PictureHash:
    """Of a picture H x W x 3 (BGR) or H x W x 1."""
    from PIL import Image

    height, width, channels = pixels.shape
    if channels == 1:
        grey = Image.fromarray(pixels[:, :, 0])
    else:
        grey = Image.frombuffer("RGB", (width, height), pixels.tobytes(), "raw", "BGR", 0, 1).convert("L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX))
    frequencies = COSINES @ small.astype(np.float64) @ COSINES.T
    step = SIDE // THUMBNAIL
    thumbnail = small.reshape(THUMBNAIL, step, THUMBNAIL, step).mean((1, 3)).astype(np.float32)
    return PictureHash(pixel_hash(pixels), _bits(frequencies), _bits(frequencies * MIRRORED), thumbnail)


def _bits(frequencies: NDArray[np.float64]) -> int:
    above = frequencies.ravel() > np.median(frequencies)
    return int.from_bytes(np.packbits(above).tobytes(), "big")
