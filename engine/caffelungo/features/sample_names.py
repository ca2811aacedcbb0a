"""The name and label of each sample of a source. No torch."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.source import DataSource
from caffelungo.data.sources.database import DatabaseSource
from caffelungo.data.sources.hdf5_data import Hdf5Source
from caffelungo.data.sources.images import ImageSource


def files_of(source: DataSource, count: int) -> tuple[str, ...]:
    """A name for each of the ``count`` samples: a picture's path as the list has it, else `file#number`."""
    if isinstance(source, ImageSource):
        return tuple(source.pictures.names)
    if isinstance(source, DatabaseSource):
        return tuple(f"{source.path}#{number}" for number in range(count))
    if isinstance(source, Hdf5Source):
        rows = zip(source.files, source.rows, strict=True)
        return tuple(f"{file}#{number}" for file, size in rows for number in range(size))
    return tuple(f"{source.name}#{number}" for number in range(count))


def sample_labels(sources: Iterable[DataSource], count: int) -> NDArray[np.int64]:
    """The label of each of the ``count`` samples in the order of the file; -1 where no source has any."""
    for source in sources:
        found = source.labels()
        if found is not None and len(found) == count:
            return found
    return np.full(count, -1, np.int64)
