"""Pictures that are there more than once: equal pixels, and copies that were compressed, resized or mirrored.

Two pictures are near duplicates where at most ``BITS`` bits of their hashes of outlines differ and their thumbnails
correlate by at least ``ALIKE``. The hashes are compared in pairs: of 10,000 pictures that takes a second or two. The
second condition parts pictures of like things before a like background. It cannot part what looks the same at 16 x 16
pixels, such as photos of one series, or of solar cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.data import picture_groups
from caffelungo.data.picture_hash import THUMBNAIL, PictureHash
from caffelungo.errors import UserError
from caffelungo.wording import counted

BITS = 10
"""Of 64; copies of quality 40 to 90 and of half to twice the size differ by at most 10 in 99 of 100 cases."""
ALIKE = 0.96
FLAT = 2.0
"""Deviation of the grey values, of 255, under which a picture shows nothing that could be compared."""
ROWS = 256
"""Pictures that are compared with all others at a time."""
MOST = 500_000
"""Pairs beyond which pictures look so much alike that nothing is said of them, as frames of one camera do."""
GATHERED = 2**15
"""Pairs of thumbnails that are correlated at a time."""


@dataclass(frozen=True)
class DuplicatePairs:
    """P pairs of ``count`` pictures: ``first`` < ``second`` by place, and of each whether it is ``exact`` or
    ``mirrored``, the ``bits`` that differ and the ``correlation`` of thumbnails (1 of exact ones).

    Of several pictures with equal pixels each is paired with the first of them, and only that one with others.
    ``complete``: False where more than ``MOST`` pairs look alike, and only exact ones are here.
    """

    count: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    exact: NDArray[np.bool_]
    mirrored: NDArray[np.bool_]
    bits: NDArray[np.int64]
    correlation: NDArray[np.float64]
    complete: bool = True

    def __len__(self) -> int:
        return len(self.first)

    def across(self, parts: ArrayLike) -> DuplicatePairs:
        """The pairs whose pictures are of different ``parts``: their split (train, test) or class, one per picture.

        UserError where there are not as many.
        """
        part = np.asarray(parts)
        if part.shape != (self.count,):
            raise UserError(
                "each picture is of one part",
                received=f"{part.shape} for {counted(self.count, 'picture')}",
                remedy="give the split or class of every picture",
            )
        return self._chosen(part[self.first] != part[self.second])

    def groups(self) -> list[list[int]]:
        """Pictures that are connected by pairs, by place: what belongs in one fold or split."""
        return picture_groups.merged(self.count, np.stack([self.first, self.second], 1).tolist(), ())

    def _chosen(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> DuplicatePairs:
        return DuplicatePairs(
            self.count,
            self.first[chosen],
            self.second[chosen],
            self.exact[chosen],
            self.mirrored[chosen],
            self.bits[chosen],
            self.correlation[chosen],
            self.complete,
        )


def near_duplicates(
    hashes: Sequence[PictureHash | None],
    *,
    bits: int = BITS,
    alike: float = ALIKE,
    progress: Callable[[int, int], None] | None = None,
) -> DuplicatePairs:
    """Of the pictures of ``hashes`` (None: unreadable, equal to nothing), the surest pairs first."""
    same: dict[bytes, int] = {}
    exact: list[tuple[int, int]] = []
    for place, one in enumerate(hashes):
        if one is not None:
            original = same.setdefault(one.content, place)
            if original != place:
                exact.append((original, place))
    distinct = np.array(list(same.values()), np.int64)
    found_near = _compared([one for place in distinct if (one := hashes[place]) is not None], bits, alike, progress)
    complete, near = found_near is not None, found_near or _no_pairs()
    copies = np.array(exact, np.int64).reshape(-1, 2)
    first, second = (np.concatenate([copies[:, side], distinct[near[side]]]) for side in (0, 1))
    none = np.zeros(len(copies))
    found = DuplicatePairs(
        len(hashes),
        first,
        second,
        np.arange(len(first)) < len(copies),
        np.concatenate([none, near[2]]).astype(np.bool_),
        np.concatenate([none, near[3]]).astype(np.int64),
        np.concatenate([none + 1, near[4]]),
        complete,
    )
    return found._chosen(np.lexsort((found.second, found.first, -found.correlation, ~found.exact)))


Compared = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]


def _compared(
    hashes: list[PictureHash], bits: int, alike: float, progress: Callable[[int, int], None] | None
) -> Compared | None:
    """Pairs of distinct pictures: places, whether mirrored, bits and correlation; None for more than ``MOST``."""
    count = len(hashes)
    plain, turned = (
        np.array(values, np.uint64) for values in ([one.outlines for one in hashes], [one.mirrored for one in hashes])
    )
    thumbnails, shows = _standardised(hashes)
    parts: list[Compared] = []
    total = 0
    for start in range(0, count, ROWS):
        rows = slice(start, min(start + ROWS, count))
        own = np.bitwise_count(plain[rows, None] ^ plain[None, start:])
        other = np.bitwise_count(turned[rows, None] ^ plain[None, start:])
        mirrored = other < own
        least = np.minimum(own, other)
        one, two = np.nonzero((least <= bits) & shows[rows, None] & shows[None, start:])
        later = two > one
        one, two = one[later], two[later]
        flips, apart = mirrored[one, two], least[one, two].astype(np.int64)
        for first in range(0, len(one), GATHERED):
            some = slice(first, first + GATHERED)
            ours, theirs = one[some] + start, two[some] + start
            correlation = _correlations(thumbnails, ours, theirs, flips[some])
            kept = correlation >= alike
            parts.append((ours[kept], theirs[kept], flips[some][kept], apart[some][kept], correlation[kept]))
            total += int(kept.sum())
            if total > MOST:
                return None
        if progress is not None:
            progress(rows.stop, count)
    if not parts:
        return _no_pairs()
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def _no_pairs() -> Compared:
    none = np.zeros(0, np.int64)
    return none, none, none.astype(np.bool_), none, none.astype(np.float64)


def _standardised(hashes: list[PictureHash]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Thumbnails of mean 0 and length 1, and which of them show anything."""
    values = np.array([one.thumbnail for one in hashes], np.float32).reshape(len(hashes), THUMBNAIL, THUMBNAIL)
    values = values - values.mean((1, 2), keepdims=True)
    deviation = values.std((1, 2))
    shows = deviation >= FLAT
    length = np.sqrt(np.square(values).sum((1, 2), keepdims=True))
    return values / np.maximum(length, np.float32(1e-6)), shows


def _correlations(
    thumbnails: NDArray[np.float32], one: NDArray[np.int64], two: NDArray[np.int64], mirrored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    ours = thumbnails[one]
    turned = np.where(mirrored[:, None, None], ours[:, :, ::-1], ours)
    return np.asarray((turned * thumbnails[two]).sum((1, 2)), np.float64)
