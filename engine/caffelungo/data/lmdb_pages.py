"""The pages of an LMDB file, read and never mapped: a file that is cut, damaged or shrinking gives an error, no signal.

    page 0, page 1: meta pages    the one of the later transaction names the root of the records
    branch page -> leaf pages     nodes in the order of the keys
    leaf node                     key and value, or key and the number of an overflow page that holds the value

LMDB maps its file, and a page that the file lacks ends the process (SIGBUS); a page number that a damaged file made up
does, too. Layout: LMDB 0.9, lmdb.h and mdb.c (MDB_meta, MDB_page, MDB_node), 64 bits, little-endian.
"""

from __future__ import annotations

import os
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo.wording import counted

HEADER = 16
"""Bytes of a page's header: number (8), unused (2), flags (2), bounds of the free space or pages of a run (4)."""
BRANCH, LEAF, OVERFLOW, META, KIND = 1, 2, 4, 8, 0x6F
"""Flags of a page; those in KIND say what it holds, others how it was last written."""
BIG, SUB, DUPLICATES = 1, 2, 4
"""Flags of a leaf's node: value on overflow pages; a nested database; several values of one key."""
MAGIC = 0xBEEFC0DE
MAX_DEPTH = 32
NONE = 0xFFFF_FFFF_FFFF_FFFF
"""The page number of no page: the root of an empty database."""

_META = struct.Struct("<IIQQ")  # magic, version, address, map size
_DATABASE = struct.Struct("<IHHQQQQQ")  # page size, flags, depth, branch, leaf and overflow pages, entries, root
_LAST = struct.Struct("<QQ")  # last page, transaction
_PAGE = struct.Struct("<QHHHH")
_NODE = struct.Struct("<HHHH")


class DamagedError(Exception):
    """The file is no LMDB database that can be read; the text says why."""


class CutShortError(DamagedError):
    """The file ends before a page that is in use. ``size`` and ``needed`` are bytes."""

    def __init__(self, size: int, needed: int) -> None:
        super().__init__(f"{counted(size, 'byte')} of {needed}")


@dataclass(frozen=True)
class Meta:
    """What the valid meta page of the later transaction says. ``pages`` is how many the file is to have."""

    page_size: int
    entries: int
    root: int
    pages: int


class File:
    """Bytes of a file by their places. Safe in any thread, and after a fork."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def read(self, start: int, count: int) -> bytes:
        """``count`` bytes from ``start``; CutShortError where the file ends before."""
        parts, place, left = [], start, count
        while left:
            piece = self._piece(place, left)
            if not piece:
                raise CutShortError(self.size, start + count)
            parts.append(piece)
            place, left = place + len(piece), left - len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, place: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self.descriptor, count, place)
        with self._lock:
            os.lseek(self.descriptor, place, os.SEEK_SET)
            return os.read(self.descriptor, count)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


@dataclass(frozen=True)
class Records:
    """Keys in order, and where each value lies in the file; ``big`` marks those on separate overflow pages."""

    keys: list[bytes]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    big: NDArray[np.bool_]


def meta(file: File) -> Meta:
    """The meta page in force; DamagedError where the file has none."""
    first = _meta(file, 0)
    if first is None:
        raise DamagedError("it does not start with a page of LMDB 0.9 (64 bits)")
    second = _meta(file, first[0].page_size)
    return second[0] if second is not None and second[1] > first[1] else first[0]


def _meta(file: File, start: int) -> tuple[Meta, int] | None:
    """The meta page at ``start`` and its transaction; None where there is none."""
    try:
        page = file.read(start, HEADER + _META.size + 2 * _DATABASE.size + _LAST.size)
    except CutShortError:
        return None
    flags = _PAGE.unpack_from(page)[2]
    magic, version, _, _ = _META.unpack_from(page, HEADER)
    if not flags & META or magic != MAGIC or version != 1:
        return None
    place = HEADER + _META.size
    page_size = _DATABASE.unpack_from(page, place)[0]
    _, _, _, _, _, _, entries, root = _DATABASE.unpack_from(page, place + _DATABASE.size)
    last, transaction = _LAST.unpack_from(page, place + 2 * _DATABASE.size)
    if not 256 <= page_size <= 65536 or page_size & (page_size - 1):
        return None
    return Meta(page_size, entries, root, last + 1), transaction


def records(file: File, known: Meta) -> Records:
    """Every record's key and place; DamagedError where a page is missing, is another kind, or is reached twice."""
    keys: list[bytes] = []
    starts: list[int] = []
    sizes: list[int] = []
    big: list[bool] = []
    size = file.size
    seen: set[int] = set()
    waiting = [] if known.root == NONE else [(known.root, 1)]
    while waiting:
        number, depth = waiting.pop()
        if number in seen or depth > MAX_DEPTH:
            raise DamagedError(f"page {number} is reached twice")
        seen.add(number)
        page, flags, nodes = _page(file, known, number)
        if flags & BRANCH:
            children = []
            for node in nodes:
                low, high, rest, _ = _NODE.unpack_from(page, node)
                children.append((low | high << 16 | rest << 32, depth + 1))
            waiting += reversed(children)
            continue
        for node in nodes:
            low, high, kind, length = _NODE.unpack_from(page, node)
            value, start = low | high << 16, node + _NODE.size + length
            if kind & (SUB | DUPLICATES):
                raise DamagedError("it contains named databases or several values per key, which Caffe does not write")
            if start + (8 if kind & BIG else value) > len(page):
                raise DamagedError(f"a record is not within page {number}")
            keys.append(page[node + _NODE.size : start])
            if kind & BIG:
                run = int.from_bytes(page[start : start + 8], "little")
                if run >= known.pages:
                    raise DamagedError(f"a record is on page {run} of {known.pages}")
                start = run * known.page_size + HEADER
            else:
                start += number * known.page_size
            if start + value > size:
                raise CutShortError(size, max(known.pages * known.page_size, start + value))
            starts.append(start)
            sizes.append(value)
            big.append(bool(kind & BIG))
    if len(keys) != known.entries:
        raise DamagedError(f"{counted(len(keys), 'record')} but its first pages say {known.entries}")
    return Records(keys, np.array(starts, np.int64), np.array(sizes, np.int64), np.array(big, np.bool_))


def _page(file: File, known: Meta, number: int) -> tuple[bytes, int, tuple[int, ...]]:
    """Branch or leaf page ``number``, its flags, and where its nodes begin."""
    if not 2 <= number < known.pages:
        raise DamagedError(f"a branch points to page {number} of {known.pages}")
    if (number + 1) * known.page_size > file.size:
        raise CutShortError(file.size, known.pages * known.page_size)
    page = file.read(number * known.page_size, known.page_size)
    found, _, flags, lower, _ = _PAGE.unpack_from(page)
    if found != number or flags & KIND not in (BRANCH, LEAF):
        raise DamagedError(f"page {number} contains something else (number {found}, flags {flags})")
    if not HEADER <= lower <= known.page_size:
        raise DamagedError(f"page {number} is damaged")
    nodes = struct.unpack_from(f"<{(lower - HEADER) // 2}H", page, HEADER)
    if any(node + _NODE.size > known.page_size for node in nodes):
        raise DamagedError(f"page {number} is damaged")
    return page, flags, nodes


def value(file: File, known: Meta, found: Records, index: int) -> bytes:
    """The value of record ``index``; DamagedError where its overflow page is something else."""
    start, size = int(found.starts[index]), int(found.sizes[index])
    if not found.big[index]:
        return file.read(start, size)
    run = file.read(start - HEADER, HEADER + size)
    number, _, flags, _, _ = _PAGE.unpack_from(run)
    if number != start // known.page_size or flags & KIND != OVERFLOW:
        raise DamagedError(f"page {start // known.page_size} contains something else (number {number}, flags {flags})")
    return run[HEADER:]
