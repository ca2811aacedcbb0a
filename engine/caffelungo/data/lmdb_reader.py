"""Reading an LMDB database as a numbered list of records, in any process and thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import overload

from caffelungo import files
from caffelungo.data import lmdb_pages
from caffelungo.errors import Location, RunError, UserError

BLOCK = 4096
"""Bytes that a ``Glance`` reads at a time."""


class LmdbReader:
    """The records of the database in the folder (or the file) ``path``, in the order of their keys.

    UserError where the database is damaged or cut short; RunError where it is changed while it is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: lmdb_pages.Records | None = None
        self._lock = threading.Lock()
        with self._readable():
            file = path / "data.mdb" if path.is_dir() else path
            files.refuse_special(file)
            self._file = lmdb_pages.File(file)
            self._began = self._stamp()
            self._meta = lmdb_pages.meta(self._file)
        self.size = self._meta.entries
        if self._began[0] < self._meta.pages * self._meta.page_size:
            # A whole file may lack last pages, which LMDB gave out and took back before it wrote them.
            self._found()

    def _stamp(self) -> tuple[int, int]:
        status = os.fstat(self._file.descriptor)
        return status.st_size, status.st_mtime_ns

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What is wrong with the file, in words."""
        try:
            yield
        except OSError as error:
            raise RunError(f"{self.path}: the database cannot be read: {error.strerror or error}") from error
        except lmdb_pages.DamagedError as error:
            if hasattr(self, "_began") and self._stamp() != self._began:
                size = self._stamp()[0]
                raise RunError(
                    f"{self.path}: the database was changed while it was read: {self._began[0]} bytes when it was "
                    f"opened, {size} now"
                ) from error
            cut = isinstance(error, lmdb_pages.CutShortError)
            opened = hasattr(self, "_meta")
            what = "is truncated" if cut else "cannot be read" if opened else "cannot be opened"
            raise UserError(
                f"LMDB database {what}",
                where=Location(str(self.path)),
                received=str(error),
                remedy="copy it again completely, or make it again with `lungo convert_imageset`",
            ) from error

    def _found(self) -> lmdb_pages.Records:
        with self._lock:
            if self._records is None:
                with self._readable():
                    self._records = lmdb_pages.records(self._file, self._meta)
            return self._records

    def keys(self) -> list[bytes]:
        """All keys in order (read once)."""
        return self._found().keys

    def record(self, index: int) -> bytes:
        """The bytes of record ``index``."""
        found = self._found()
        with self._readable():
            return lmdb_pages.value(self._file, self._meta, found, index)

    def first(self) -> bytes:
        """The bytes of the first record; the database must not be empty."""
        return self.record(0)

    def each(self, visit: Callable[[int, bytes], None]) -> None:
        """Call ``visit`` with the number and the bytes of every record in order."""
        for index in range(self.size):
            visit(index, self.record(index))

    def glance(self, index: int) -> bytes | Glance:
        """Record ``index`` for one who reads few bytes of it: of a long record those blocks only that are looked at."""
        found = self._found()
        size = int(found.sizes[index])
        return self.record(index) if size <= 4 * BLOCK else Glance(self, int(found.starts[index]), size)

    def bytes_at(self, start: int, count: int) -> bytes:
        """``count`` bytes of the file from ``start``."""
        with self._readable():
            return self._file.read(start, count)

    def where(self, index: int) -> Location:
        """The place of record ``index`` for a message."""
        return Location(f"{self.path}, record {index} ({self.keys()[index].decode(errors='replace')})")


class Glance:
    """A long record whose bytes are read, in blocks, when they are looked at."""

    def __init__(self, reader: LmdbReader, start: int, size: int) -> None:
        self._reader, self._start, self._size = reader, start, size
        self._first, self._block = 0, b""

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> bytes: ...
    def __getitem__(self, place: int | slice) -> int | bytes:
        if isinstance(place, slice):
            first, last, _ = place.indices(self._size)
            return self._reader.bytes_at(self._start + first, max(0, last - first))
        offset = place - self._first
        if not 0 <= offset < len(self._block):
            if not 0 <= place < self._size:
                raise IndexError(place)
            self._first, offset = place, 0
            self._block = self._reader.bytes_at(self._start + place, min(BLOCK, self._size - place))
        return self._block[offset]
