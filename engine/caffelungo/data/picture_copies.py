"""Copies among pictures: equal ones, those that look the same, and which of them are in two parts of a data set."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.image_list import ImageList
from caffelungo.data.near_duplicates import DuplicatePairs, near_duplicates
from caffelungo.data.parallel import Progress, in_order
from caffelungo.data.picture_hash import PictureHash
from caffelungo.data.picture_hashes import hashes_or_reasons, picture_hashes
from caffelungo.wording import counted, listed

MOST_OF_CLASS = 0.5
"""Pictures that look alike are no copies where a chain of them has more than this share of a class."""
DECODED = 20_000
"""Up to so many pictures are decoded to find those that look the same: hashes of more take long to compare."""
SURE = 0.98
"""Least correlation of thumbnails here. 95 of 100 copies of photos have it that were compressed to quality 40, or
resized to half or twice the size; of pictures of 32 pixels that were resized only some. Drawings of the same kind of
thing have up to 0.978."""
SHOWN = 3
"""Pictures that a notice names."""


def equal(
    pictures: ImageList, decoded: bool, progress: Progress | None = None, removed: frozenset[int] = frozenset()
) -> tuple[dict[int, str], list[list[int]], list[PictureHash | None]]:
    """Why pictures cannot be read, by index; sets of equal ones; and the hash of each (None unless ``decoded``).

    Where they are not decoded, only the bytes of the files are compared. Those ``removed`` are equal to nothing.
    """
    unreadable: dict[int, str] = {}
    same: dict[bytes, list[int]] = defaultdict(list)
    hashes: list[PictureHash | None] = [None] * len(pictures)
    for index, result in enumerate(_looked_at(pictures, decoded, progress)):
        if index in removed:
            continue
        if "\n" in (name := pictures.names[index]) or "\r" in name:
            unreadable[index] = "its name contains a line break, which a list cannot represent"
        elif isinstance(result, str):
            unreadable[index] = result
        elif isinstance(result, bytes):
            same[result].append(index)
        else:
            hashes[index] = result
            same[result.content].append(index)
    return unreadable, [group for group in same.values() if len(group) > 1], hashes


def _looked_at(pictures: ImageList, decoded: bool, progress: Progress | None) -> Iterator[PictureHash | bytes | str]:
    paths = [pictures.path(index) for index in range(len(pictures))]
    if decoded:
        return hashes_or_reasons(paths, progress)
    return (result for _, result in in_order(_digest, paths, progress))


def _digest(path: str) -> bytes | str:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        return str(error)
    return hashlib.blake2b(data, digest_size=16).digest() if data else "an empty file"


def pairs(hashes: Sequence[PictureHash | None]) -> DuplicatePairs:
    """Pictures that are the same to the eye, as surely as a split, or a notice, needs."""
    return near_duplicates(hashes, alike=SURE)


def held_together(near: DuplicatePairs, groups: Sequence[Sequence[int]], labels: NDArray[np.int64]) -> list[list[int]]:
    """Sets of pictures that look the same, as a split should hold together; those that are one of ``groups`` (equal
    pictures) are left out.

    What looks alike through others is a chain, as of photos of one place. A chain that has most of a class would leave
    that class nothing to test on, so it is not held together.
    """
    sizes = Counter(labels.tolist())
    number = {index: place for place, group in enumerate(groups) for index in group}
    found = []
    for group in near.groups():
        if len({number.get(index, -1 - index) for index in group}) == 1:
            continue
        inside = Counter(int(labels[index]) for index in group)
        if all(count <= MOST_OF_CLASS * sizes[label] for label, count in inside.items()):
            found.append(group)
    return found


@dataclass(frozen=True)
class CopiesAcross:
    """Pictures of one part of a data set that are in another, too: names there and here, and whether they are equal.

    ``by_bytes``: of how many pictures only the bytes of the files were compared; 0: they were looked at.
    """

    pairs: list[tuple[str, str, bool]]
    by_bytes: int = 0

    def notice(self, held: str, learned: str, done: str) -> list[str]:
        """A sentence that names the first ones, with what was ``done``, and one of what was not looked for."""
        count, equals = len(self.pairs), sum(same for _, _, same in self.pairs)
        unseen = []
        if self.by_bytes:
            unseen = [f"{self.by_bytes:,} pictures are too many to look for changed copies, as after compressing: "
                      "only equal files are found"]  # fmt: skip
        if not count:
            return unseen
        kinds = [f"{equals} equal"] if equals else []
        if equals < count:
            kinds.append(f"{count - equals} nearly equal, as after compressing, resizing or mirroring")
        shown = listed([f"{one} {'=' if same else '~'} {other}" for one, other, same in self.pairs], SHOWN)
        are = counted(count, f"{held} picture is", f"{held} pictures are")
        return [f"{are} in {learned}, too ({'; '.join(kinds)}): {shown}; {done}", *unseen]


def across(near: DuplicatePairs, names: Sequence[str], learned: Sequence[int], held: Sequence[int]) -> CopiesAcross:
    """Those of the pictures ``held`` out that are among the ``learned``, by their places in ``names``; each once."""
    first = list(range(near.count))  # of the pictures with the same pixels
    every = list(zip(near.first.tolist(), near.second.tolist(), near.exact.tolist(), strict=True))
    for one, two, same in every:
        if same:
            first[two] = one
    ours = {first[place]: place for place in reversed(learned)}
    theirs: dict[int, list[int]] = defaultdict(list)
    for place in held:
        theirs[first[place]].append(place)
    found = {place: (ours[one], True) for one, places in theirs.items() if one in ours for place in places}
    for one, two, _ in every:
        for known, other in ((one, two), (two, one)):
            if known in ours and first[known] == known and first[other] == other:
                for place in theirs.get(other, ()):
                    found.setdefault(place, (ours[known], False))
    return CopiesAcross([(names[place], names[other], same) for place, (other, same) in found.items()])


def across_files(learned: Sequence[str], held: Sequence[str], progress: Progress | None = None) -> CopiesAcross:
    """As ``across``, of two lists of files; of more than ``DECODED`` only equal files are found."""
    files = [*learned, *held]
    if not held:
        return CopiesAcross([])
    names = [os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path for path in files]
    if len(files) > DECODED:
        digests = [result for _, result in in_order(_digest, files, progress)]
        ours: dict[bytes | str, int] = {}
        for place, digest in enumerate(digests[: len(learned)]):
            ours.setdefault(digest, place)
        equals = [(place, ours.get(digest)) for place, digest in enumerate(digests) if isinstance(digest, bytes)]
        found = [(names[one], names[other], True) for one, other in equals if one >= len(learned) and other is not None]
        return CopiesAcross(found, len(files))
    hashes, _ = picture_hashes(files, progress)
    return across(pairs(hashes), names, range(len(learned)), range(len(learned), len(files)))
