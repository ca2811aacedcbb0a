"""Caffe's compute_image_mean: the mean picture of a database, and the mean of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import datum
from caffelungo.data.lmdb_reader import LmdbReader
from caffelungo.data.parallel import Progress
from caffelungo.data.sources.database import find_database
from caffelungo.errors import Location, UserError
from caffelungo.weights import meanfile


@dataclass(frozen=True)
class Mean:
    """The mean ``image`` (C x H x W, float32) over ``count`` samples, and its mean in each channel."""

    image: NDArray[np.float32]
    channels: tuple[float, ...]
    count: int


def compute_image_mean(
    database: str, output: str | Path | None = None, *, backend: str = "lmdb", progress: Progress | None = None
) -> Mean:
    """The mean of all samples of ``database``, written to ``output`` (``.binaryproto``) if that is given.

    Raises UserError when the samples have different sizes or the database is none or empty.
    """
    if backend != "lmdb":
        raise UserError(
            "only LMDB databases are read",
            received=f"-backend={backend}",
            remedy="make an LMDB with `lungo convert_imageset`, and remove -backend",
        )
    path = find_database(database, None)
    reader = LmdbReader(path)
    total: NDArray[np.float64] | None = None

    def add(index: int, record: bytes) -> None:
        nonlocal total
        sample = datum.array(datum.parse(record, str(path)), f"{path}, record {index}")
        total = np.zeros(sample.shape) if total is None else total
        if sample.shape != total.shape:
            raise _other_size(reader, index, sample, total)
        total += sample
        if progress is not None:
            progress(index + 1, reader.size)

    reader.each(add)
    if total is None:
        raise UserError(
            "the database is empty",
            where=Location(str(path)),
            received="0 records",
            remedy="make it again with `lungo convert_imageset`",
        )
    image = (total / reader.size).astype(np.float32)
    if output is not None:
        meanfile.write(output, image)
    return Mean(image, tuple(float(value) for value in image.mean(axis=(1, 2), dtype=np.float64)), reader.size)


def _other_size(reader: LmdbReader, index: int, sample: NDArray[Any], total: NDArray[Any]) -> UserError:
    return UserError(
        "the database's samples have different sizes, so they have no mean picture",
        where=reader.where(index),
        received=f"{'x'.join(map(str, sample.shape))} instead of {'x'.join(map(str, total.shape))}",
        remedy="make the database again with -resize_height and -resize_width, or use mean_value per channel",
    )
