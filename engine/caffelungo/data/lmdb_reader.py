"""Reading an LMDB database as a numbered list of records, in any process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

from caffelungo.errors import Location, UserError

UNWRITTEN = 64
"""Pages that a whole file may lack at its end."""


class _Environment:
    """One open environment; closed when its last reader goes. LMDB forbids to open one twice in a process."""

    closed = True

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
        self._whole(path)
        self.txn = self.env.begin(buffers=True)
        self.closed = False

    def _whole(self, path: Path) -> None:
        """UserError when the file ends well before its last page: reading there would end the process.

        A whole file may lack a few last pages, which LMDB gave out and took back before it wrote them.
        """
        page = self.env.stat()["psize"]
        needed = (self.env.info()["last_pgno"] + 1) * page
        size = (path / "data.mdb" if path.is_dir() else path).stat().st_size
        if size < needed - UNWRITTEN * page:
            self.env.close()
            raise UserError(
                "LMDB database is cut short",
                where=Location(str(path)),
                received=f"{size} bytes of {needed}",
                remedy="copy it again, whole, or make it again with `lungo convert_imageset`",
            )

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.txn.abort()
            self.env.close()

    def __del__(self) -> None:
        self.close()


_open: WeakValueDictionary[tuple[int, int], _Environment] = WeakValueDictionary()
_lock = threading.RLock()
"""Held while anything of an environment is in use."""


def _before_fork() -> None:
    """Close everything, since an environment must not cross a fork; readers open it again when they need it."""
    _lock.acquire()
    for environment in list(_open.values()):
        environment.close()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)


class LmdbReader:
    """The records of the database in the folder ``path``, in the order of their keys. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._env: _Environment | None = None
        self._keys: list[bytes] | None = None
        with _lock:
            self.size = int(self._environment().env.stat()["entries"])

    def _environment(self) -> _Environment:
        if self._env is None or self._env.closed:
            stat = (self.path / "data.mdb" if self.path.is_dir() else self.path).stat()
            key = (stat.st_dev, stat.st_ino)
            known = _open.get(key)
            if known is None:
                known = _open[key] = _Environment(self.path)
            self._env = known
        return self._env

    def keys(self) -> list[bytes]:
        """All keys in order (read once)."""
        if self._keys is None:
            with _lock:
                self._keys = [bytes(key) for key in self._environment().txn.cursor().iternext(values=False)]
        return self._keys

    def record(self, index: int) -> bytes:
        """The bytes of record ``index``."""
        key = self.keys()[index]
        with _lock:
            return bytes(self._environment().txn.get(key, b""))

    def first(self) -> bytes:
        """The bytes of the first record; the database must not be empty."""
        with _lock:
            cursor = self._environment().txn.cursor()
            cursor.first()
            return bytes(cursor.value())

    def each(self, visit: Callable[[int, memoryview], None]) -> None:
        """Call ``visit`` with the number and the bytes of every record in order; the bytes are valid in the call."""
        with _lock:
            for index, value in enumerate(self._environment().txn.cursor().iternext(keys=False)):
                visit(index, value)

    def where(self, index: int) -> Location:
        """The place of record ``index`` for a message."""
        return Location(f"{self.path}, record {index} ({self.keys()[index].decode(errors='replace')})")
