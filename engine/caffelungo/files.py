"""Files: written whole or not at all, and found where a user means them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffelungo.errors import Location, UserError


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success fsync it, rename it to ``path`` and fsync the folder.

    If the body raises, nothing is left behind and an older ``path`` stays as it was.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error  # the user knows no temporary file
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` whole."""
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` whole; lone surrogates (definition.decoding) leave as bytes."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut (a no-op where folders cannot be opened, as on Windows)."""
    if os.name == "posix":
        _sync(folder)


def candidates(path: str | Path, beside: str | Path | None = None) -> list[Path]:
    """Where a relative ``path`` may be: from the working directory, then from the folder of the file ``beside``."""
    given = Path(path)
    if given.is_absolute() or beside is None:
        return [given]
    second = Path(beside).parent / given
    return [given] if second.resolve() == given.resolve() else [given, second]


def find(
    path: str | Path, beside: str | Path | None = None, *, what: str = "file", where: Location | None = None
) -> Path:
    """The existing file or folder that ``path`` means (see ``candidates``); UserError listing all places tried."""
    tried = candidates(path, beside)
    for candidate in tried:
        if candidate.exists():
            return candidate
    absolute = [Path(os.path.abspath(candidate)) for candidate in tried]
    parent = absolute[-1].parent
    while not parent.exists():
        parent = parent.parent
    raise UserError(
        f"{what} not found",
        where=where,
        received=" and ".join(str(candidate) for candidate in absolute),
        remedy=f"correct the path; the nearest folder that exists is {parent}",
    )
