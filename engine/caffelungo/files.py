"""Files: written whole or not at all, and found where a user means them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffelungo import drafts, filetypes, shell
from caffelungo.errors import Location, Problem, RunError, UserError

_WRITING = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT,
    errno.ENOTDIR, errno.ESTALE,
)  # fmt: skip
"""What writing fails with; messages then have the name that the user gave, not that of a temporary file."""
MOST_TEXT = 1 << 30
"""Longest text file that is read, in bytes: lists of millions of pictures have less."""
_BY_FOLDER = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success fsync it, rename it to ``path`` and fsync the folder.

    If the body raises, nothing is left behind and an older ``path`` stays as it was. A link is followed, once, at the
    beginning; RunError when the folder or the temporary file is replaced meanwhile. The permissions of an older file
    are kept. What is no file and no folder (/dev/stdout, a pipe) cannot be replaced: it is written to when the body is
    done.
    """
    special = _special(Path(path))
    target = Path(path) if special else Path(os.path.realpath(path))
    try:
        handle, temporary = drafts.new_file(Path(tempfile.gettempdir(), target.name) if special else target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(handle)
    folder = _Folder(temporary.parent)
    try:
        yield temporary
        if temporary.is_symlink():
            raise RunError(f"{path}: its temporary file was replaced by a link while it was written\n"
                           "  to do: write to a folder that only you can write to")  # fmt: skip
        if special:
            with temporary.open("rb") as made, target.open("wb") as stream:
                shutil.copyfileobj(made, stream)
            return
        _sync(temporary)
        temporary.chmod(_mode(target))
        if folder.replaced():
            raise RunError(f"{path}: its folder was replaced while the file was written\n"
                           "  to do: run the command again when nothing else moves that folder")  # fmt: skip
        folder.rename(temporary.name, target.name)
    except OSError as error:
        ours = (None, str(temporary), temporary.name, target.name)
        if error.errno in _WRITING and error.filename in ours and error.filename2 in (*ours, str(target)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        folder.remove(temporary.name)
        folder.close()
    sync_folder(target.parent)


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Give an error of writing in the body the name ``path``, where it has none, as of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _WRITING and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


class _Folder:
    """A folder by what it is, not by its name, where the system can: another one may get the name meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        only_place = getattr(os, "O_PATH", os.O_RDONLY)  # a folder may be written to and yet not be read
        self.handle = os.open(path, only_place | os.O_DIRECTORY) if _BY_FOLDER else None

    def replaced(self) -> bool:
        """Whether another folder has this one's name by now."""
        if self.handle is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self.handle), self.path.stat())
        except OSError:
            return True

    def rename(self, old: str, new: str) -> None:
        if self.handle is None:
            os.replace(self.path / old, self.path / new)
        else:
            os.replace(old, new, src_dir_fd=self.handle, dst_dir_fd=self.handle)

    def remove(self, name: str) -> None:
        """Remove the file ``name`` if it is there; what cannot be removed stays, for another error is on its way."""
        with contextlib.suppress(OSError):
            if self.handle is None:
                (self.path / name).unlink()
            else:
                os.unlink(name, dir_fd=self.handle)

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)


def _mode(target: Path) -> int:
    """The permissions of the file ``target``; where there is none, those that a new file gets."""
    try:
        return stat.S_IMODE(target.stat().st_mode) & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def obstacle(path: str | Path) -> Problem | None:
    """What will keep ``path`` from being written, as far as it can be seen before the work is done; else None."""
    target = Path(path)
    where, folder = Location(str(path)), target.parent
    if target.is_dir():
        return Problem("this is a folder, not a file to write to", where, str(target.absolute()), "name a file in it")
    if not folder.is_dir():
        if any(above.exists() and not above.is_dir() for above in (folder, *folder.parents)):
            return Problem("the output would be below a file", where, str(folder.absolute()),
                           "choose a path that is not below a file")  # fmt: skip
        return Problem("the folder to write to does not exist", where, str(folder.absolute()),
                       f"create it: mkdir -p {shell.word(folder)}")  # fmt: skip
    effective = os.access in os.supports_effective_ids
    if not os.access(target if _special(target) else folder, os.W_OK, effective_ids=effective):
        return Problem("no permission to write there", where, str(target.absolute()),
                       "choose a path that you may write to, or change its permissions")  # fmt: skip
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
        with contextlib.suppress(PermissionError):  # written to, but not to be read
            _sync(folder)


def candidates(path: str | Path, beside: str | Path | None = None) -> list[Path]:
    """Where a relative ``path`` may be: from the working directory, then from the folder of the file ``beside``."""
    given = Path(path)
    if given.is_absolute() or beside is None:
        return [given]
    second = Path(beside).parent / given
    # not resolve(), which fails for links in a circle and for names with a null character
    return [given] if os.path.abspath(second) == os.path.abspath(given) else [given, second]


_SPECIAL = (
    (stat.S_ISDIR, "a folder", "name the file inside it"),
    (stat.S_ISFIFO, "a pipe (FIFO)", "write its content to a file, and name that"),
    (stat.S_ISSOCK, "a socket", "name a file"),
    (stat.S_ISCHR, "a device", "name a file"),
    (stat.S_ISBLK, "a device", "name a file"),
)


def refuse_special(path: str | Path, where: Location | None = None, *, most: int | None = None) -> int:
    """The size of the file at ``path``, in bytes, before it is opened.

    UserError, at ``where`` (the path by default), for what is no regular file, which could keep a reader waiting or
    never end, and for a file of more than ``most`` bytes. What else keeps it from being read raises OSError.
    """
    found = Path(path).stat()
    where = where or Location(str(path))
    for special, received, remedy in _SPECIAL:
        if special(found.st_mode):
            raise UserError(
                "this is a folder, not a file" if special is stat.S_ISDIR else "this is not a regular file",
                where=where,
                received=received,
                remedy=remedy,
            )
    if most is not None and found.st_size > most:
        raise UserError(
            "the file is too large", where=where, received=f"{found.st_size:,} bytes",
            remedy=f"name the right file; files of this kind have at most {most:,} bytes",
        )  # fmt: skip
    return found.st_size


def read(
    path: str | Path,
    where: Location | None = None,
    *,
    most: int | None = None,
    what: str = "the file is of another kind",
) -> bytes:
    """The bytes of the file at ``path``; UserError as ``refuse_special`` raises it, and for what ``filetypes`` knows.

    A file that grows while it is read is read up to the size it had. ``what`` begins the message of a mistaken file.
    """
    size = refuse_special(path, where, most=most)
    with Path(path).open("rb") as stream:
        data = stream.read(size)
    if (other := filetypes.mistaken(data[: filetypes.HEAD])) is not None:
        raise UserError(what, where=where or Location(str(path)), received=other.kind, remedy=other.remedy)
    return data


def read_text(path: str | Path, where: Location | None = None, *, most: int = MOST_TEXT) -> str:
    """The text, in UTF-8 with or without a mark, of the file at ``path``; UserError as ``read`` raises it.

    Line ends are given as ``\\n``. Bytes that are not UTF-8 raise UnicodeDecodeError.
    """
    text = read(path, where, most=most).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _exists(path: Path) -> bool:
    """Whether something is at ``path``; a name that is too long for the system is nobody's."""
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def find(
    path: str | Path, beside: str | Path | None = None, *, what: str = "file", where: Location | None = None
) -> Path:
    """The existing file or folder that ``path`` means (see ``candidates``); UserError listing all places tried.

    What is there but is neither a file nor a folder is refused, too (``refuse_special``).
    """
    tried = candidates(path, beside)
    for candidate in tried:
        if _exists(candidate):
            if not candidate.is_dir():
                refuse_special(candidate, where)
            return candidate
    absolute = [Path(os.path.abspath(candidate)) for candidate in tried]
    parent = absolute[-1].parent
    while not _exists(parent):
        parent = parent.parent
    raise UserError(
        f"{what} not found",
        where=where,
        received=" and ".join(str(candidate) for candidate in absolute),
        remedy=f"correct the path; the nearest folder that exists is {parent}",
    )
