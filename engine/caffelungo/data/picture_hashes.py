"""Hashes of picture files (``picture_hash``), each decoded once: what was seen before is in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from caffelungo.data.decode import decode
from caffelungo.data.hash_cache import HashCache, digest
from caffelungo.data.parallel import Progress, in_order
from caffelungo.data.picture_hash import PictureHash, picture_hash
from caffelungo.errors import Location, UserError
from caffelungo.files import refuse_special

WHOLE = 1 << 26
"""Bytes of a file that is read at once; a larger one is decoded from the disk, and not kept."""


def hashes_or_reasons(paths: Sequence[str | Path], progress: Progress | None = None) -> Iterator[PictureHash | str]:
    """The hash of each file, in their order, or why it cannot be read."""
    with HashCache() as cache:
        for _, result in in_order(lambda path: _hash_of_file(path, cache), paths, progress):
            yield result


def picture_hashes(
    paths: Sequence[str | Path], progress: Progress | None = None
) -> tuple[list[PictureHash | None], dict[int, str]]:
    """Of files, in their order; None where one cannot be read, and why not, by its place."""
    results = list(hashes_or_reasons(paths, progress))
    unreadable = {place: one for place, one in enumerate(results) if isinstance(one, str)}
    return [None if isinstance(one, str) else one for one in results], unreadable


def _hash_of_file(path: str | Path, cache: HashCache) -> PictureHash | str:
    try:
        data = _whole(path)
        if data is None:
            return picture_hash(decode(path))
        address = digest(data)
        if (known := cache.find(address)) is not None:
            return known
        found = picture_hash(decode(data, name=str(path)))
    except UserError as error:
        return error.problems[0].received or error.problems[0].what
    cache.keep(address, found)
    return found


def _whole(path: str | Path) -> bytes | None:
    """The bytes of a file; None where it is too large, or cannot be read, of which decoding it says why."""
    try:
        return Path(path).read_bytes() if refuse_special(path, Location(str(path))) <= WHOLE else None
    except OSError:
        return None
