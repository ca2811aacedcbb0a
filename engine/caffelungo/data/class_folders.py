"""Which sub-folders of a folder of photos are classes, and which ones systems and programs left behind."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from caffelungo.data.decode import SUFFIXES
from caffelungo.errors import Location, Problem
from caffelungo.wording import listed

JUNK = frozenset(
    {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__", "thumbs.db",
     "desktop.ini"}
)  # fmt: skip
"""Folders of systems, archives and disk stations that hold copies or previews, in lower case; hidden ones as well."""
SHOWN = 5
"""Folders that a message names."""


def ordinary(name: str) -> bool:
    """Whether a file or a folder called ``name`` is the user's own."""
    return not name.startswith(".") and name.casefold() not in JUNK


def sub_folders(folder: Path) -> tuple[list[str], list[str]]:
    """The user's own folders in ``folder``, and the others; sorted."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    return [name for name in names if ordinary(name)], [name for name in names if not ordinary(name)]


def below(folder: Path, suffixes: frozenset[str] = SUFFIXES) -> Iterator[str]:
    """Paths of the user's own files in ``folder`` and below that end with one of ``suffixes``, relative to it."""
    seen: set[tuple[int, int]] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if ordinary(name))
        prefix = os.path.relpath(parent, folder)
        for name in files:
            if ordinary(name) and PurePath(name).suffix.lower() in suffixes:
                yield name if prefix == "." else f"{prefix}/{name}".replace(os.sep, "/")


def has_pictures(folder: Path) -> bool:
    """Whether there is a picture in ``folder`` or below."""
    return next(below(folder), None) is not None


def same_name(name: str) -> str:
    """What names that people cannot tell apart share: without blanks at the ends, composed."""
    return unicodedata.normalize("NFC", name).strip()


def twins(names: Iterable[str], folder: Path) -> tuple[list[Problem], list[str]]:
    """Problems for folders of one name to the eye, notices for those that differ in capitals only."""
    alike: dict[str, list[str]] = defaultdict(list)
    capitals: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[same_name(name)].append(name)
        capitals[same_name(name).casefold()].add(same_name(name))
    problems = [
        Problem(
            "class folders differ only by spaces at the end of the name, or by how accents are encoded",
            Location(str(folder)), " and ".join(repr(name) for name in group), "put their pictures into one folder",
        )
        for group in alike.values() if len(group) > 1
    ]  # fmt: skip
    groups = [" and ".join(sorted(group)) for group in capitals.values() if len(group) > 1]
    notices = []
    if groups:
        notices.append(f"class folders that differ only in capitals are different classes: {listed(groups, SHOWN)}")
    return problems, notices


def nested(pictures: Iterable[str]) -> str | None:
    """A notice of pictures (``class/.../file``) in folders below a class folder."""
    deep = dict.fromkeys(name.rpartition("/")[0] for name in pictures if name.count("/") > 1)
    if not deep:
        return None
    return f"pictures in folders below a class folder belong to that class: {listed(deep, SHOWN)}"
