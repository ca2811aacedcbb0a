"""Mean pictures: `.binaryproto` (a BlobProto, old 4-D or with a shape) and `.npy`, as channels x height x width.

Caffe: DataTransformer's mean_file, compute_image_mean; pycaffe users' ilsvrc_2012_mean.npy.
"""

from __future__ import annotations

import math
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.errors import Location, UserError
from caffelungo.files import written_whole
from caffelungo.weights import caffemodel, sniff, wire
from caffelungo.weights.weights import Array
from caffelungo.wording import counted

MAX_CHANNELS = 4096


def read(path: str | Path) -> Array:
    """The mean picture in ``path``, float32, channels x height x width; UserError."""
    container = sniff.container(path)
    if container == sniff.NUMPY:
        values = _read_npy(path)
    elif container == sniff.PROTOBUF:
        values = _read_binaryproto(path)
    else:
        raise sniff.wrong_kind(path, sniff.WEIGHTS, sniff.MEAN)
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 3 or 0 in values.shape or values.shape[0] > MAX_CHANNELS:
        raise UserError(
            "a mean picture has channels, height and width",
            where=Location(str(path)),
            received="x".join(map(str, values.shape)) or "one number",
            remedy="make it with compute_image_mean; single values go to mean_value",
        )
    if not np.isfinite(values).all():
        raise UserError(
            "the mean picture has non-finite values",
            where=Location(str(path)),
            received=f"{int((~np.isfinite(values)).sum())} of {values.size} are NaN or infinite",
            remedy="make it again with compute_image_mean",
        )
    return values


def write(path: str | Path, mean: np.ndarray[Any, Any]) -> None:
    """Write ``mean`` (channels x height x width), as `.npy` when so named, else as Caffe's compute_image_mean does."""
    values = np.ascontiguousarray(mean, np.float32)
    if str(path).endswith(".npy"):
        with written_whole(path) as temporary, temporary.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        return
    caffemodel.save(path, wire.encode_blob(values, legacy=True))


def _read_binaryproto(path: str | Path) -> Array:
    buffer = memoryview(caffemodel.content(path))
    found = sniff.message_kind(buffer)
    if found in (sniff.WEIGHTS, sniff.STATE):
        raise sniff.wrong_kind(path, found, sniff.MEAN)
    try:
        return wire.one_blob(buffer)
    except wire.WireError as error:
        raise caffemodel.damaged(path, len(buffer), error) from None


def _read_npy(path: str | Path) -> Array:
    size = Path(path).stat().st_size
    try:
        with Path(path).open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(file)
            left = size - file.tell()
            if dtype.kind not in "fiu" or math.prod(shape) * dtype.itemsize != left:
                raise ValueError(f"an array of {dtype}, shape {shape}, does not fit in {counted(left, 'byte')}")
            file.seek(0)
            return np.load(file, allow_pickle=False).astype(np.float32)
    except (ValueError, OSError, EOFError, SyntaxError, tokenize.TokenError, RecursionError) as error:
        raise caffemodel.damaged(path, size, error) from None
