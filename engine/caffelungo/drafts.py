"""What is not finished yet: hidden files and folders beside their targets, named after the process that makes them.

    .<target>.lungo-<machine>-<pid>-<start>-<random>.tmp    in the making
    .<target>.lungo-<machine>-<pid>-<start>-<random>.old    holds what was at the target while it is replaced

A process that is killed leaves them. Whoever next makes one in the same folder removes those whose process is gone;
nothing else is ever touched, whatever its name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffelungo import processes

MAKING, REPLACED = ".tmp", ".old"
LONGEST = 150
"""Bytes of the target's name in that of a draft: names have an end."""
_NAME = re.compile(r"\..*\.lungo-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-z_]+(\.tmp|\.old)", re.DOTALL)
_swept: set[str] = set()
"""Folders that this process has looked through."""


def prefix(name: str) -> str:
    """How the names of drafts of the file or folder ``name`` begin, made by this process."""
    short = os.fsdecode(os.fsencode(name)[:LONGEST])
    pid = os.getpid()
    return f".{short}.lungo-{processes.machine()}-{pid}-{processes.started(pid)}-"


def new_file(target: Path) -> tuple[int, Path]:
    """An open descriptor and the path of a new file beside ``target``, for its owner only."""
    sweep_once(target.parent)
    handle, name = tempfile.mkstemp(prefix=prefix(target.name), suffix=MAKING, dir=target.parent)
    return handle, Path(name)


@contextmanager
def folder(target: Path) -> Iterator[Path]:
    """A new folder beside ``target``, for its owner only; what is left in it at the end is removed."""
    sweep_once(target.parent)
    made = Path(tempfile.mkdtemp(prefix=prefix(target.name), suffix=MAKING, dir=target.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder among the system's temporary files, removed at the end."""
    with folder(Path(tempfile.gettempdir()) / "scratch") as made:
        yield made


def replace(made: Path, target: Path) -> None:
    """Put the folder ``made`` into the place of the folder ``target``, which may exist and is then removed.

    On Linux both change places in one step, so that there is a whole one at any moment; elsewhere the old one is put
    back by ``sweep`` when the process is killed between the two steps.
    """
    if not os.path.lexists(target):
        made.rename(target)
        return
    if _exchanged(made, target):
        shutil.rmtree(made, ignore_errors=True)
        return
    aside = Path(tempfile.mkdtemp(prefix=prefix(target.name), suffix=REPLACED, dir=target.parent))
    target.rename(aside / target.name)
    try:
        made.rename(target)
    except OSError:
        (aside / target.name).rename(target)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the system let both change places."""
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def sweep_once(where: Path) -> None:
    """``sweep``, the first time that this process asks for the folder ``where``."""
    key = os.path.abspath(where)
    if key not in _swept:
        _swept.add(key)
        sweep(where)


def sweep(where: Path) -> None:
    """Remove drafts in ``where`` that killed processes of this machine left; what they had put aside goes back."""
    try:
        with os.scandir(where) as entries:
            found = [(entry.name, match) for entry in entries if (match := _NAME.fullmatch(entry.name))]
    except OSError:
        return
    for name, match in found:
        machine, pid, since, kind = match.groups()
        if machine == processes.machine() and not processes.alive(int(pid), int(since)):
            with contextlib.suppress(OSError):
                if kind == REPLACED:
                    _put_back(where / name)
                remove(where / name)


def _put_back(aside: Path) -> None:
    """Give what was put aside its name again, unless something is there."""
    for old in aside.iterdir():
        if not os.path.lexists(aside.parent / old.name):
            old.rename(aside.parent / old.name)


def remove(path: Path) -> None:
    """Remove the file, link or folder ``path``; a link's target stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            path.unlink()
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
