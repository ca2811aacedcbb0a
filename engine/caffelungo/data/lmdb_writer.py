"""Writes an LMDB database atomically: into a temporary folder that is renamed when everything is on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from caffelungo import drafts, locks, shell
from caffelungo.data.image_list import LABELS
from caffelungo.data.preprocess import BESIDE
from caffelungo.errors import Location, Problem, RunError, UserError
from caffelungo.files import sync_folder
from caffelungo.wording import listed

COMMIT = 64 << 20
"""Bytes after which a transaction is committed."""
FILES, EXTRAS = "files.txt", "extras.prototxt"
"""What `lungo features` puts beside the records: names of the pictures, preprocessing and class names."""
WRITTEN = {"data.mdb", "lock.mdb", BESIDE, LABELS, FILES, EXTRAS}
"""All that the folder of a database that we wrote holds."""
FOREIGN = 5
"""Other files that a message names."""


class LmdbWriter:
    """Puts records; the map grows as they come."""

    def __init__(self, folder: Path) -> None:
        import lmdb

        self._full: type[Exception] = lmdb.MapFullError
        self.folder = folder
        self._env: Any = lmdb.open(str(folder), map_size=COMMIT * 4, lock=False, sync=False, meminit=False)
        self._waiting: list[tuple[bytes, bytes]] = []
        self._bytes = 0
        self.count = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record; keys must be new."""
        self._waiting.append((key, value))
        self._bytes += len(key) + len(value)
        self.count += 1
        if self._bytes >= COMMIT:
            self._commit()

    def _commit(self) -> None:
        import lmdb

        while self._waiting:
            try:
                with self._env.begin(write=True) as txn:
                    for key, value in self._waiting:
                        txn.put(key, value, overwrite=False)
                self._waiting, self._bytes = [], 0
            except self._full:
                self._env.set_mapsize(self._env.info()["map_size"] * 2)
            except lmdb.Error as error:
                raise RunError(f"{self.folder.parent}: the database could not be written: {error}") from error

    def finish(self) -> None:
        """Write what waits, and wait for the disk."""
        self._commit()
        self._env.sync(True)

    def close(self) -> None:
        """Let go of the files; what was not finished is lost."""
        self._env.close()


@contextmanager
def new_database(path: Path, *, overwrite: bool = False) -> Iterator[LmdbWriter]:
    """A writer whose database is at ``path`` once the body is through; if it raises, nothing has changed.

    Raises UserError when ``path`` exists, unless ``overwrite`` and it is an LMDB database.
    """
    with locks.alone(path, "this database"):
        check_target(path, overwrite)
        with drafts.folder(path) as draft:
            made = draft / path.name
            made.mkdir()
            writer = LmdbWriter(made)
            try:
                yield writer
                writer.finish()
            finally:
                writer.close()
            sync_folder(made)
            drafts.replace(made, path)
            sync_folder(path.parent)


def other_files(path: Path) -> list[str]:
    """What the folder ``path`` of a database holds besides what is written into one."""
    return sorted(entry.name for entry in path.iterdir() if entry.name not in WRITTEN)


def would_be_lost(path: Path, foreign: Sequence[str]) -> Problem:
    """The problem of the files ``foreign`` in the folder ``path`` of a database that is to be replaced."""
    return Problem(
        "the database's folder contains other files, which would be lost",
        Location(str(path)),
        listed(foreign, FOREIGN),
        "move them away, or choose another name for the database",
    )  # fmt: skip


def check_target(path: Path, overwrite: bool) -> None:
    """UserError unless a database may be written at ``path``."""
    where = Location(str(path))
    if not path.parent.is_dir():
        raise UserError(
            "the database's folder does not exist",
            where=where,
            received=str(path.parent.absolute()),
            remedy=f"create it: mkdir -p {shell.word(path.parent)}",
        )
    if not os.access(path.parent, os.W_OK):
        raise UserError(
            "the database's folder cannot be written to",
            where=where,
            received=str(path.parent.absolute()),
            remedy="choose another folder for the database, or change its permissions",
        )
    if not path.exists():
        return
    if not (path / "data.mdb").is_file():
        raise UserError(
            "the database's name is taken by something other than an LMDB database",
            where=where,
            received="a folder" if path.is_dir() else "a file",
            remedy="choose another name for the database",
        )
    if not overwrite:
        raise UserError(
            "the database exists",
            where=where,
            received=f"{(path / 'data.mdb').stat().st_size} bytes",
            remedy="choose another name, or replace it with --overwrite",
        )
    if foreign := other_files(path):
        raise UserError(would_be_lost(path, foreign))
