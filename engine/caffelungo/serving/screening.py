"""Turns untrusted bytes into a picture for the net: the header's size is checked before anything is decoded."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import preprocess
from caffelungo.data.decode import decode, too_many
from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import Location, Problem, UserError
from caffelungo.inference import picture_input
from caffelungo.serving.failures import Refused
from caffelungo.wording import counted

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Kinds of files that are opened at all: Pillow knows more, some of which start other programs."""
_KINDS = "JPEG, PNG, WebP, BMP, GIF, TIFF or PPM"


def picture(record: Any, data: bytes, name: str, max_pixels: int, outside: Any = None) -> NDArray[np.uint8]:
    """The picture as the exported file takes it (``picture_input.read``); Refused (413 or 415), UserError when damaged.

    ``max_pixels`` holds for the picture and for what the record's resize makes of it, here or in the file: of one pixel
    by a million, a shorter side of 256 would make 65 billion. ``outside`` is the part of ``record`` that is done here
    (None: all of it).
    """
    width, height = _size(data, name, max_pixels)
    if width * height > max_pixels:
        raise _too_large(name, f"{width}x{height} = {width * height} pixels", max_pixels)
    if record.resize_shorter and not record.resize_height:
        made_height, made_width = (round(side * record.resize_shorter / min(width, height)) for side in (height, width))
        if made_height * made_width > max_pixels:
            raise _too_large(name, f"{width}x{height}, resized to {made_width}x{made_height} pixels", max_pixels)
    image = decode(data, color=record.channel_order != Preprocessing.GRAY, name=name, formats=FORMATS)
    return picture_input.rgb(preprocess.pixels(record if outside is None else outside, image))


def _size(data: bytes, name: str, max_pixels: int) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                return int(width), int(height)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, too_many(error).partition(";")[0], max_pixels) from error
    except UnidentifiedImageError as error:
        received = f"{counted(len(data), 'byte')} that start {repr(data[:8])[1:]}" if data else "no bytes"
        problem = Problem("unsupported picture format", Location(name), received, f"send {_KINDS}")
        raise Refused(415, problem, reason="bad_picture") from error
    except Exception as error:  # a decoder may raise anything on bytes that were made to fail
        raise UserError(
            "picture cannot be read", where=Location(name), received=f"{counted(len(data), 'byte')}; {error}",
            remedy="send a complete picture",
        ) from error  # fmt: skip


def _too_large(name: str, received: str, max_pixels: int) -> Refused:
    problem = Problem(
        "the picture has too many pixels", Location(name), received,
        f"shrink it to at most {max_pixels} pixels, or start the service with a larger --max-pixels",
    )  # fmt: skip
    return Refused(413, problem, reason="too_large")
