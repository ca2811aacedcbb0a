"""Writes the pictures of a packed file into a cache, as picture files and lists that everything reads.

    <cache>/pictures/<name>-<hash>/train/<class>/00000012.png  ...
                                   all.txt train.txt val.txt test.txt labels.txt

Pixels are kept without loss (PNG), encoded pictures byte for byte. The folder is named by the files it came from, and
appears whole or not at all; a second call finds it there.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from caffelungo import drafts, locks
from caffelungo.data.image_list import LABELS, write_list, write_names
from caffelungo.data.packed.packed import Packed, PackedPart, Stored
from caffelungo.data.parallel import Progress, in_order
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

FORMAT = 1
ALL = "all.txt"
SPARE = 64 << 20
"""Bytes of disk left free."""
_MAGIC = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"RIFF", ".webp"), (b"BM", ".bmp"),
          (b"II*\0", ".tif"), (b"MM\0*", ".tif"))  # fmt: skip


def cache_folder() -> Path:
    """Where this program keeps what it can make again: in XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caffelungo"


def address(name: str, *parts: object) -> Path:
    """The folder in the cache of what follows from ``parts``; ``name`` is for people."""
    word = re.sub(r"[^\w.-]+", "_", name).strip("._")[:60] or "pictures"
    return cache_folder() / "pictures" / f"{word}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


def stamps(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """What files are known by: path, size and time."""
    found = []
    for path in files:
        status = path.stat()
        found.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    return found


def unpacked(packed: Packed, name: str, progress: Progress | None = None) -> Path:
    """The folder with the pictures of ``packed``, which is written unless it is there."""
    target = address(name, FORMAT, packed.kind, packed.classes, [len(part.labels) for part in packed.parts],
                     stamps(packed.files))  # fmt: skip

    def write(made: Path) -> None:
        with locks.alone(target, "these pictures"):
            _check_disk(packed, target.parent)
            _write(packed, made, progress)

    return made_once(target, write)


def made_once(target: Path, write: Callable[[Path], None]) -> Path:
    """``target``, a folder in the cache: ``write`` fills it unless it is there; it appears whole or not at all."""
    if (target / ALL).is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with drafts.folder(target) as draft:
        made = draft / target.name
        made.mkdir()
        write(made)
        if not (target / ALL).is_file():
            drafts.replace(made, target)
    return target


def class_names(packed: Packed) -> tuple[str, ...]:
    """The names of the classes: those of the set, else their numbers, from 0 to the largest label."""
    most = max(int(part.labels.max(initial=0)) for part in packed.parts)
    return packed.classes or tuple(str(number) for number in range(most + 1))


def _write(packed: Packed, folder: Path, progress: Progress | None) -> None:
    classes = class_names(packed)
    safe = [re.sub(r"[^\w.+-]+", "_", name).lstrip(".") or "_" for name in classes]
    words = [word if safe.count(word) == 1 else f"{number}_{word}" for number, word in enumerate(safe)]
    jobs = [(part, index) for part in packed.parts for index in range(len(part.labels))]
    starts: dict[int, int] = {}
    counts: dict[str, int] = {}
    for part in packed.parts:  # several files of one part are numbered on
        starts[id(part)] = counts.get(part.name, 0)
        counts[part.name] = starts[id(part)] + len(part.labels)
    for part in packed.parts:
        for label in np.unique(part.labels):
            (folder / part.name / words[label]).mkdir(parents=True, exist_ok=True)

    def write(job: tuple[PackedPart, int]) -> str:
        part, index = job
        data, suffix = _encoded(part.picture(index))
        name = f"{part.name}/{words[part.labels[index]]}/{starts[id(part)] + index:08d}{suffix}"
        (folder / name).write_bytes(data)
        return name

    lists: dict[str, list[tuple[str, int]]] = {}
    for (part, index), name in in_order(write, jobs, progress):
        lists.setdefault(part.name, []).append((name, int(part.labels[index])))
    for part_name, entries in lists.items():
        write_list(folder / f"{part_name}.txt", entries)
    write_list(folder / ALL, (entry for entries in lists.values() for entry in entries))
    write_names(folder / LABELS, classes)


def _encoded(picture: Stored) -> tuple[bytes, str]:
    if isinstance(picture, bytes):
        return picture, next((suffix for magic, suffix in _MAGIC if picture.startswith(magic)), ".jpg")
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG", compress_level=1)
    return stream.getvalue(), ".png"


def _check_disk(packed: Packed, folder: Path) -> None:
    """UserError unless the pictures fit on the disk, each taken to be as large as the first of its part."""
    count = sum(len(part.labels) for part in packed.parts)
    if not count:
        raise UserError("the data set has no pictures", where=Location(str(packed.files[0]) if packed.files else ""),
                        received="0 records", remedy="name another file")  # fmt: skip
    needed = SPARE
    for part in packed.parts:
        if len(part.labels):
            first = part.picture(0)
            needed += len(part.labels) * ((first.nbytes if isinstance(first, np.ndarray) else len(first)) + 4096)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            "the disk has no room for the pictures", where=Location(str(folder)),
            received=f"{needed / 1e9:.3g} GB for {counted(count, 'picture')}, and {free / 1e9:.3g} GB are free",
            remedy="set XDG_CACHE_HOME to a folder on another disk",
        )  # fmt: skip
