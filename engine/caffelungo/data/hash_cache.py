"""Hashes of pictures that were computed before, by the content of their files: an SQLite database in the cache.

A picture that was moved or renamed is found again; one that was changed is not. What is kept can be made again, so a
database that is damaged, locked or on a disk without room is done without, and one that has grown too large is
begun anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import struct
import threading
from pathlib import Path
from types import TracebackType

import numpy as np

from caffelungo.data.picture_hash import THUMBNAIL, PictureHash
from caffelungo.data.unpack_pictures import cache_folder

FORMAT = 1
"""Counted up when a picture gets other hashes."""
MOST = 1 << 29
"""Bytes of the database: about 800,000 pictures."""
BATCH = 512
"""New hashes after which they are written."""
_STEPS = 4
"""A thumbnail's values are means of four whole numbers."""
_RECORD = struct.Struct(f"<16sQQ{THUMBNAIL * THUMBNAIL * 2}s")


class HashCache:
    """A context. ``find`` and ``keep`` may be called from several threads; they never fail."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / f"picture_hashes-{FORMAT}.sqlite"
        self._lock = threading.Lock()
        self._new: dict[bytes, bytes] = {}
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> HashCache:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > MOST:
                self.path.unlink()
            self._database = sqlite3.connect(self.path, timeout=5, check_same_thread=False)
            self._database.execute("CREATE TABLE IF NOT EXISTS hashes (file BLOB PRIMARY KEY, hash BLOB) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._write()
            if self._database is not None:
                self._database.close()
                self._database = None

    def find(self, file: bytes) -> PictureHash | None:
        """The hash of the picture whose file has the digest ``file``; None where there is none."""
        with self._lock:
            if self._database is None:
                return None
            try:
                row = self._database.execute("SELECT hash FROM hashes WHERE file = ?", (file,)).fetchone()
            except sqlite3.Error as error:
                self._give_up(error)
                return None
        return None if row is None else _unpacked(row[0])

    def keep(self, file: bytes, hashed: PictureHash) -> None:
        """Remember the hash of the picture whose file has the digest ``file``."""
        with self._lock:
            if self._database is not None:
                self._new[file] = _packed(hashed)
                if len(self._new) >= BATCH:
                    self._write()

    def _write(self) -> None:
        if self._database is None or not self._new:
            return
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?)", self._new.items())
        except sqlite3.Error as error:
            self._give_up(error)
        self._new.clear()

    def _give_up(self, error: Exception) -> None:
        """Do without from now on; a file that is no database is removed, so that the next call has one."""
        if self._database is not None:
            self._database.close()
            self._database = None
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            with contextlib.suppress(OSError):
                self.path.unlink()


def digest(data: bytes) -> bytes:
    """What a file with the bytes ``data`` is known by."""
    return hashlib.blake2b(data, digest_size=20).digest()


def _packed(hashed: PictureHash) -> bytes:
    steps = np.round(hashed.thumbnail * _STEPS).astype("<u2")
    return _RECORD.pack(hashed.content, hashed.outlines, hashed.mirrored, steps.tobytes())


def _unpacked(record: bytes) -> PictureHash | None:
    if len(record) != _RECORD.size:
        return None
    content, outlines, mirrored, steps = _RECORD.unpack(record)
    thumbnail = np.frombuffer(steps, "<u2").reshape(THUMBNAIL, THUMBNAIL).astype(np.float32) / np.float32(_STEPS)
    return PictureHash(content, outlines, mirrored, thumbnail)
