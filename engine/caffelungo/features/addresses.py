"""Hashes of everything that features depend on; they identify pictures as a net sees them. No torch.

Two calls over the same pictures, prepared alike, find each other's features by these hashes, whatever the files and
the layers are called.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.data.source import DataSource
from caffelungo.data.sources.database import DatabaseSource
from caffelungo.data.sources.hdf5_data import Hdf5Source
from caffelungo.data.sources.images import ImageSource
from caffelungo.data.sources.memory_data import MemorySource

FORMAT = 1
"""Counted up when the same pictures and layers give other numbers, or are laid out otherwise in the files."""
CHUNK = 1 << 20
"""Bytes of a file that are read at a time."""


def hashed(*parts: object) -> str:
    """The SHA-256 of the ``repr`` of ``parts``, as hexadecimal digits."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def digest(paths: tuple[str, ...]) -> str:
    """Of the bytes of the files ``paths``, in their order; read once in a process unless a file changes."""
    return _digest(paths, glance(paths))


@functools.lru_cache(maxsize=16)
def _digest(paths: tuple[str, ...], _: str) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(_file(Path(path)))
    return total.hexdigest()


def _file(path: Path) -> bytes:
    one = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(CHUNK):
            one.update(part)
    return one.digest()


def decoded(source: ImageSource) -> str:
    """Stands for the pictures of ``source`` decoded and resized."""
    paths = tuple(source.pictures.path(i) for i in range(len(source.pictures)))
    return hashed(FORMAT, digest(paths), source.color, source.resize)


def prepared(source: ImageSource) -> str:
    """Stands for the pictures of ``source`` as the net sees them, unmirrored."""
    record = source.record.SerializeToString(deterministic=True)
    return hashed(decoded(source), source.crop, record)


def sample(source: DataSource) -> str | None:
    """Stands for the samples of ``source`` as the net sees them in the order of the file; None if nothing can."""
    if isinstance(source, ImageSource):
        return prepared(source)
    if isinstance(source, DatabaseSource):
        file = source.path if source.path.is_file() else source.path / "data.mdb"
        record = source.record.SerializeToString(deterministic=True)
        options = source.param.transform_param.SerializeToString(deterministic=True)
        return hashed(FORMAT, digest((str(file),)), source.color, source.resize, source.crop, record, options)
    if isinstance(source, Hdf5Source):
        return hashed(FORMAT, digest(tuple(map(str, source.files))), source.names)
    if isinstance(source, MemorySource) and source.data is not None and source.values is not None:
        return hashed(FORMAT, *map(_array, (source.data, source.values)))
    return None


def _array(array: Any) -> str:
    return hashlib.sha256(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def glance(paths: Iterable[str]) -> str:
    """Stands for the files ``paths`` by their names, sizes and times: quick, and enough to go on with a broken run."""
    total = hashlib.sha256()
    for path in paths:
        found = Path(path).stat()
        total.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return total.hexdigest()
