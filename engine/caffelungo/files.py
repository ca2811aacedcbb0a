"""Files: written whole or not at all, and found where a user means them."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffelungo.errors import Location, Problem, UserError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success fsync it, rename it to ``path`` and fsync the folder.

    If the body raises, nothing is left behind and an older ``path`` stays as it was. A link is followed. What is no
    file and no folder (/dev/stdout, a pipe) cannot be replaced: it is written to when the body is done.
    """
    special = _special(Path(path))
    target = Path(path) if special else Path(os.path.realpath(path))
    try:
        folder = None if special else target.parent
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the user knows no temporary file
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if special:
            with temporary.open("rb") as made, target.open("wb") as stream:
                shutil.copyfileobj(made, stream)
            temporary.unlink()
            return
        _sync(temporary)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _DISK and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error  # a write knows no name
        raise
    sync_folder(target.parent)


def _special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def obstacle(path: str | Path) -> Problem | None:
    """What will keep ``path`` from being written, as far as it can be told before the work is done; else None."""
    target = Path(path)
    where, folder = Location(str(path)), target.parent
    if target.is_dir():
        return Problem("this is a folder, not a file to write to", where, str(target.absolute()), "name a file in it")
    if not folder.is_dir():
        if any(above.exists() and not above.is_dir() for above in (folder, *folder.parents)):
            return Problem("the file to write to would be below a file", where, str(folder.absolute()),
                           "name a place that is not below a file")  # fmt: skip
        return Problem("the folder to write to does not exist", where, str(folder.absolute()),
                       f"create it: mkdir -p {shlex.quote(str(folder))}")  # fmt: skip
    if not os.access(target if _special(target) else folder, os.W_OK):
        return Problem("there is no permission to write there", where, str(target.absolute()),
                       "name a place that you may write to, or change its permissions")  # fmt: skip
    return None


def refuse_obstacle(path: str | Path) -> None:
    """UserError when there is an ``obstacle``."""
    wrong = obstacle(path)
    if wrong is not None:
        raise UserError(wrong)


def refuse_existing(path: str | Path, overwrite: bool, flag: str = "-o") -> None:
    """UserError when ``path`` is there and may not be overwritten, or cannot be written."""
    refuse_obstacle(path)
    if Path(path).exists() and not overwrite:
        raise UserError(
            "the file exists and would be lost",
            where=Location(str(path)),
            received=f"{flag} {path}",
            remedy="name another file, or add --overwrite",
        )


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
