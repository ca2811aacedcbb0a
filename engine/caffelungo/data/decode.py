"""Decodes picture files to pixels: the only decoder for training, testing, classifying and the converters.

What Caffe gets from OpenCV, for every kind of file: 8 bits, BGR or grey. EXIF orientation is applied, grey becomes
colour by repetition, a palette is looked up, alpha is dropped (the colours under it stay), 16 bits lose the lower
eight, CMYK is converted, of an animation the first frame is taken. What cannot be decoded whole is refused.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import files
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

Pixels = NDArray[np.uint8]

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".jp2"}
)
"""Names of files that are taken for pictures when a folder is scanned (letter case ignored)."""

UNREAD = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".psd", ".svg"}
)
"""Names of photos that cannot be read: a folder of them is not empty to its owner, so they are spoken of."""

MOST_PIXELS = 89_478_485
"""Pillow's own limit, beyond which nothing is decoded."""

_ORIENTATION = 0x0112
_DEEP = {"I", "I;16", "I;16L", "I;16B", "I;16N"}
_GREY = {"1", "L", "LA", "La"} | _DEEP
_FAILURES = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error, MemoryError)


def decode(
    source: str | Path | bytes,
    *,
    color: bool | None = True,
    name: str | None = None,
    formats: Sequence[str] | None = None,
) -> Pixels:
    """The pixels of the picture ``source`` (a path or a file's bytes): H x W x 3 in BGR, or H x W x 1.

    ``color``: True for three channels, False for one, None for what the file holds. ``name`` is what messages call
    it. ``formats``: the kinds of files that are opened, in Pillow's names (None: all that it knows). Raises UserError
    when the file is missing, damaged, no picture, or larger than Pillow's limit of pixels.
    """
    from PIL import Image

    label = name or (str(source) if not isinstance(source, bytes) else "picture")
    kinds = None if formats is None else tuple(formats)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if not isinstance(source, bytes):
                files.refuse_special(source, Location(label))
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=kinds) as image:
                return _pixels(image, color)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(
            "picture is too large to be decoded safely",
            where=Location(label),
            received=too_many(error),
            remedy=f"shrink the picture to at most {MOST_PIXELS} pixels, or remove it",
        ) from error
    except _FAILURES as error:
        raise UserError(
            "picture cannot be read", where=Location(label), received=_reason(source, error), remedy=_remedy(error)
        ) from error


def _pixels(image: Any, color: bool | None) -> Pixels:
    from PIL import ImageOps

    form = image.format
    if color is False and form == "JPEG":
        image.draft("L", None)  # the luminance as the file stores it, as OpenCV reads a JPEG in grey
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    image.load()
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in _GREY or (image.mode == "P" and color is None and _grey_palette(image)):
        grey = _grey(image)
        return np.repeat(grey, 3, axis=2) if color else grey
    if image.mode != "RGB":
        image = image.convert("RGB")
    width, height = image.size
    colors = np.frombuffer(image.tobytes("raw", "BGR"), np.uint8).reshape(height, width, 3)
    if color is not False:
        return colors
    return _png_grey(colors) if form == "PNG" else to_grey(colors)


def _grey(image: Any) -> Pixels:
    if image.mode in _DEEP:
        deep = np.asarray(image)
        if deep.size and (deep.min() < 0 or deep.max() > 65535):
            raise ValueError(f"its pixels go from {deep.min()} to {deep.max()}, which exceeds 16 bits")
        return (deep >> 8).astype(np.uint8)[:, :, None]
    return np.asarray(image if image.mode == "L" else image.convert("L"))[:, :, None]


def _grey_palette(image: Any) -> bool:
    colors = np.asarray(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colors == colors[:, :1]).all())


def pixel_hash(pixels: Pixels) -> bytes:
    """16 bytes that pictures share if their shapes and pixels are equal."""
    return hashlib.blake2b(pixels.tobytes(), digest_size=16, key=repr(pixels.shape).encode()).digest()


def to_grey(colors: Pixels) -> Pixels:
    """H x W x 1 of a BGR picture, with OpenCV's weights (ITU-R BT.601 in 15 bits)."""
    blue, green, red = (colors[:, :, channel].astype(np.uint32) for channel in range(3))
    return ((blue * 3735 + green * 19235 + red * 9798 + 16384) >> 15).astype(np.uint8)[:, :, None]


def _png_grey(colors: Pixels) -> Pixels:
    """The grey that libpng, which OpenCV leaves it to, makes of a PNG: nearly the same weights, cut off."""
    blue, green, red = (colors[:, :, channel].astype(np.uint32) for channel in range(3))
    return ((blue * 3737 + green * 19234 + red * 9797) >> 15).astype(np.uint8)[:, :, None]


def too_many(error: BaseException) -> str:
    """The pixels that Pillow's refusal of a picture names."""
    found = re.search(r"\d+ pixels", str(error))
    return f"{found[0]} according to its header; at most {MOST_PIXELS} are decoded" if found else str(error)


def _reason(source: str | Path | bytes, error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    size = len(source) if isinstance(source, bytes) else _size(source)
    if type(error).__name__ == "UnidentifiedImageError":
        return "an empty file" if size == 0 else f"{counted(size, 'byte')} that Pillow does not recognise as a picture"
    return f"{counted(size, 'byte')}; {str(error) or type(error).__name__}"


def _size(path: str | Path) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _remedy(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "correct the path (in a list, its line or the root folder)"
    if isinstance(error, PermissionError):
        return "change its permissions, or remove it (in a list, remove its line)"
    return "replace the file by an intact 8-bit picture, or remove it (in a list, remove its line)"
