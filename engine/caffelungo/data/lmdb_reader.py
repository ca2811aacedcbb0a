"""Reading an LMDB database as a numbered list of records, in any process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from caffelungo.errors import Location, UserError


class _Environment:
    """One open environment; closed when its last reader goes. LMDB forbids to open one twice in a process."""

    def __init__(self, path: Path) -> None:
        import lmdb

        try:
            self.env = lmdb.open(
                str(path), readonly=True, lock=False, subdir=path.is_dir(), readahead=True, meminit=False, max_readers=1
            )
        except lmdb.Error as error:
            raise UserError(
                "LMDB database cannot be opened",
                where=Location(str(path)),
                received=str(error),
                remedy="make the database again with `lungo convert_imageset`, and copy it whole",
            ) from error
        self.txn = self.env.begin(buffers=True)

    def __del__(self) -> None:
        if hasattr(self, "txn"):
            self.txn.abort()
            self.env.close()


_open: WeakValueDictionary[tuple[int, int, int], _Environment] = WeakValueDictionary()


class LmdbReader:
    """The records of the database in the folder ``path``, in the order of their keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._env: _Environment | None = None
        self._pid = -1
        self._keys: list[bytes] | None = None
        self.size = int(self._environment().env.stat()["entries"])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_env": None, "_pid": -1}

    def _environment(self) -> _Environment:
        if self._env is None or self._pid != os.getpid():
            if self._env is not None:
                _inherited.append(self._env)
            file = self.path / "data.mdb" if self.path.is_dir() else self.path
            stat = file.stat()
            key = (os.getpid(), stat.st_dev, stat.st_ino)
            known = _open.get(key)
            if known is None:
                known = _open[key] = _Environment(self.path)
            self._env, self._pid = known, os.getpid()
        return self._env

    def keys(self) -> list[bytes]:
        """All keys in order (read once)."""
        if self._keys is None:
            cursor = self._environment().txn.cursor()
            self._keys = [bytes(key) for key in cursor.iternext(values=False)]
        return self._keys

    def record(self, index: int) -> memoryview:
        """The bytes of record ``index``; valid until the reader closes."""
        value = self._environment().txn.get(self.keys()[index])
        assert value is not None
        return value

    def first(self) -> bytes:
        """The bytes of the first record; the database must not be empty."""
        cursor = self._environment().txn.cursor()
        cursor.first()
        return bytes(cursor.value())

    def records(self) -> Iterator[memoryview]:
        """All records in order."""
        yield from self._environment().txn.cursor().iternext(keys=False)

    def where(self, index: int) -> Location:
        """The place of record ``index`` for a message."""
        return Location(f"{self.path}, record {index} ({self.keys()[index].decode(errors='replace')})")


_inherited: list[_Environment] = []
"""Environments of the parent process, which a forked child must not close."""
