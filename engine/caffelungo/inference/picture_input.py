"""Pictures in the form an exported file takes them: uint8, batch x height x width x channels, RGB or grey."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import preprocess
from caffelungo.data.decode import SUFFIXES
from caffelungo.data.resize_pixels import resize
from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import UserError
from caffelungo.inference.metadata import ImageInput
from caffelungo.layers.base import shape_text

Pixels = NDArray[np.uint8]


def read(record: Any, source: str | Path | bytes, name: str | None = None) -> Pixels:
    """One picture as the exported file takes it: height x width x channels, RGB or grey, resized and cropped."""
    return rgb(preprocess.pixels(record, preprocess.read(record, source, name)))


def from_array(record: Any, image: Pixels) -> Pixels:
    """The same for a decoded picture, height x width x 3 in RGB or height x width (x 1) in grey."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise UserError(
            "this array is not a picture",
            received=f"{image.dtype} of shape {shape_text(image.shape)}",
            remedy="give uint8 of height x width x 3 in RGB, or height x width in grey",
        )
    image = rgb(image if image.ndim == 3 else image[:, :, None])
    if record.channel_order != Preprocessing.GRAY and image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return rgb(preprocess.pixels(record, image))


def rgb(image: Pixels) -> Pixels:
    """BGR to RGB, or back; grey as it is."""
    return np.ascontiguousarray(image[:, :, ::-1]) if image.shape[2] == 3 else np.ascontiguousarray(image)


def without_geometry(record: Any) -> Any:
    """``record`` for pictures that keep their size."""
    inner = Preprocessing()
    inner.CopyFrom(record)
    for name in ("resize_height", "resize_width", "resize_shorter", "crop_height", "crop_width"):
        inner.ClearField(name)
    return inner


def without_crop(record: Any) -> Any:
    """``record`` as far as its resize."""
    inner = Preprocessing()
    inner.CopyFrom(record)
    for name in ("crop_height", "crop_width"):
        inner.ClearField(name)
    return inner


def apply(record: Any, images: Pixels) -> NDArray[np.float32]:
    """The net's input blob for pictures as ``read`` gives them: what the exported graph does inside, in NumPy."""
    inner = without_geometry(record)
    return np.stack([preprocess.apply(inner, rgb(image)) for image in images])


def laid(images: Pixels, layout: str) -> Pixels:
    """``images`` (batch x height x width x channels) in ``layout``: ``NHWC`` or ``NCHW``."""
    return images if layout == "NHWC" else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def fed(given: ImageInput, record: Any, images: Pixels) -> NDArray[Any]:
    """What the input ``given`` of a file takes for ``images`` (batch x height x width x channels)."""
    return laid(images, given.layout) if given.takes_pictures else apply(record, images)


def fitted(record: Any, path: Path, height: int, width: int) -> Pixels:
    """``read``, but a picture that the geometry cannot take is resized to ``height`` x ``width`` outright."""
    image = preprocess.read(record, path)
    try:
        made = preprocess.pixels(record, image)
    except UserError:
        made = resize(image, height, width)
    return rgb(made)


def picture_files(paths: Iterable[str | Path], most: int | None = None) -> list[Path]:
    """The files that ``paths`` mean, folders searched for pictures; ``most`` of them, evenly chosen."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        else:
            found.append(path)
    if most is not None and len(found) > most:
        found = [found[i * len(found) // most] for i in range(most)]
    return found
