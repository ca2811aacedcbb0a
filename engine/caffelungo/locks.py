"""Locks that one process holds and that the system releases when the process dies.

``take`` and ``release`` are for files that stay. ``alone`` keeps everybody else from what a command writes, says who
it is that does, and leaves no file. Between machines they hold where the file system passes locks on (NFS, CephFS,
Lustre with -o flock); where it has none, the lock file itself counts, as long as its process is there.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import json
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from caffelungo import processes
from caffelungo.errors import Location, UserError

Options = TypeVar("Options")
Rest = ParamSpec("Rest")
Result = TypeVar("Result")

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", errno.EOPNOTSUPP)}
_NO_PLACE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC, errno.EISDIR,
}  # fmt: skip
_held: set[int] = set()
"""Descriptors of locks: a forked child must not keep them when its parent is gone."""
_mine: dict[str, int] = {}
"""What ``alone`` holds in this process, and the thread that asked for it."""


def _forget() -> None:
    for handle in _held:
        with contextlib.suppress(OSError):
            os.close(handle)
    _held.clear()
    _mine.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def take(path: Path) -> int | None:
    """Hold the lock file ``path`` (made if missing, never removed); what ``release`` takes, or None: held elsewhere."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(handle)
    except (BlockingIOError, PermissionError):
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    _held.add(handle)
    return handle


def release(handle: int) -> None:
    """Give back what ``take`` gave."""
    _held.discard(handle)
    os.close(handle)


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def beside(target: Path) -> Path:
    """The lock file for what is written at ``target``: a hidden file beside it."""
    whole = Path(os.path.abspath(target))
    return whole.with_name(f".{whole.name}.lock")


@contextmanager
def alone(target: Path, what: str = "there", path: Path | None = None) -> Iterator[None]:
    """While entered, no other process writes ``target``; UserError that names the one that does.

    ``what`` says what it writes. ``path`` is the lock file, else ``beside(target)``; it is removed at the end, and so
    are folders that were made for it and hold nothing. Entered again within itself it does nothing. Where nothing can
    be written there is nothing to lock, and whoever writes says so.
    """
    place = path or beside(target)
    key = os.path.abspath(place)
    if _mine.get(key) == threading.get_ident():
        yield
        return
    above = [folder for folder in place.parents if not folder.exists()]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        entered = _enter(place)
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        _leave(above)
        yield
        return
    if entered is None:
        raise UserError(
            f"another process is writing {what}, and one of the two results would be lost",
            where=Location(str(target)),
            received=_holder(place),
            remedy="wait until it has ended, or choose another output",
        )
    _mine[key] = threading.get_ident()
    try:
        yield
    finally:
        _mine.pop(key, None)
        handle, signed = entered
        with contextlib.suppress(OSError):
            if _same(handle, signed):
                signed.unlink()
        release(handle)
        _leave(above)


def exclusive(
    target: Callable[[Any], str | Path | None], what: str = "this folder"
) -> Callable[[Callable[Concatenate[Options, Rest], Result]], Callable[Concatenate[Options, Rest], Result]]:
    """For functions of options: each call is ``alone`` with ``target`` of its options, unless that is None or ""."""

    def wrapped(
        function: Callable[Concatenate[Options, Rest], Result],
    ) -> Callable[Concatenate[Options, Rest], Result]:
        @functools.wraps(function)
        def call(options: Options, /, *rest: Rest.args, **named: Rest.kwargs) -> Result:
            place = target(options)
            with alone(Path(place), what) if place else contextlib.nullcontext():
                return function(options, *rest, **named)

        return call

    return wrapped


def _leave(folders: Sequence[Path]) -> None:
    """Remove ``folders``, the deepest first, that hold nothing."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _enter(place: Path) -> tuple[int, Path] | None:
    """The lock, and the file that says that it is this process's; None when another one holds it."""
    while True:
        try:
            handle = take(place)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            with contextlib.suppress(OSError):
                place.unlink()
            return _enter_unlocked(_unlocked(place))
        if handle is None:
            return None
        if _same(handle, place):  # else its holder has removed it since it was opened
            _sign(handle)
            return handle, place
        release(handle)


def _unlocked(place: Path) -> Path:
    """The file that is the lock ``place`` on a disk without locks."""
    return place.with_name(f"{place.name}ed")


def _enter_unlocked(place: Path) -> tuple[int, Path] | None:
    """As ``_enter`` on a disk without locks: by the file's being there, unless its process is known to be gone."""
    for _ in range(2):
        try:
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            known = _read(place)
            here = known.get("machine") == processes.machine()
            if not here or processes.alive(known["pid"], known["start"]):
                return None
            place.unlink(missing_ok=True)
            continue
        _held.add(handle)
        _sign(handle)
        return handle, place
    return None


def _same(handle: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), place.stat())
    except OSError:
        return False


def _sign(handle: int) -> None:
    """Say in the file who holds it; a full disk keeps nobody from working."""
    pid = os.getpid()
    record = {
        "pid": pid,
        "host": platform.node(),
        "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": processes.machine(),
        "start": processes.started(pid),
    }
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(record).encode())


def _read(place: Path) -> dict[str, Any]:
    try:
        known = json.loads(place.read_text("utf-8"))
        return {**known, "pid": int(known["pid"]), "start": int(known["start"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _holder(place: Path) -> str:
    place = next((one for one in (_unlocked(place), place) if one.exists()), place)
    known = _read(place)
    if not known:
        return f"its lock is {place}"
    return f"process {known['pid']} on {known.get('host')}, since {known.get('since')}; its lock is {place}"
