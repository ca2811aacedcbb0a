"""The pictures themselves: counts, sizes, copies, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import folder as photos
from caffelungo.data import split_pictures
from caffelungo.data.picture_table import PictureColumns
from caffelungo.probes.picture_entries import Entry
from caffelungo.wording import counted

Stage = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SurveyedPictures:
    """The pictures that the advice is for: ``entries`` with their labels among ``classes``.

    ``sizes`` is N x 2 (width and height in pixels). ``equal`` and ``near`` are pairs of copies, by place: equal pixels,
    and pictures that look alike. ``groups`` are the sets of places that no fold divides. ``unreadable`` are files that
    are left out, with the reason. ``judges`` is the number of pictures in a val or test part that the data has: nothing
    here reads them.
    """

    classes: tuple[str, ...]
    entries: list[Entry]
    sizes: NDArray[np.int64]
    equal: list[tuple[int, int]]
    near: list[tuple[int, int]]
    groups: list[list[int]]
    unreadable: dict[str, str]
    judges: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def labels(self) -> NDArray[np.int64]:
        """N."""
        return np.array([label for _, label in self.entries], np.int64)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures of each class."""
        found = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))

    @property
    def per_class(self) -> float:
        """Pictures per class, in the mean."""
        return len(self.entries) / max(1, sum(count > 0 for count in self.counts.values()))

    @property
    def ratio(self) -> float:
        """How many times the pictures of the smallest class the largest one has."""
        some = [count for count in self.counts.values() if count]
        return max(some) / min(some)

    @property
    def torn(self) -> list[tuple[int, int]]:
        """Copies in different classes: one of the two labels is wrong."""
        labels = self.labels
        return [pair for pair in (*self.equal, *self.near) if labels[pair[0]] != labels[pair[1]]]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "pictures": len(self.entries), "classes": list(self.classes), "counts": self.counts,
            "largest_to_smallest": self.ratio,
            "median_width": float(np.median(self.sizes[:, 0])), "median_height": float(np.median(self.sizes[:, 1])),
            "smallest_side": int(self.sizes.min()), "unreadable": self.unreadable,
            "equal_pairs": len(self.equal), "near_pairs": len(self.near),
            "pairs_across_classes": [[self.entries[one][0], self.entries[two][0]] for one, two in self.torn],
        }  # fmt: skip


def survey(
    data: str, columns: PictureColumns, groups: str | None, per_class: int | None, seed: int, say: Stage
) -> SurveyedPictures:
    """Look at every picture that ``data`` names. A val or test part is left alone. UserError as ``data.folder.scan``.

    ``groups``: a pattern or a column; ``per_class``: the most pictures per class.
    """
    found = photos.scan(
        data, progress=lambda done, total: say("reading pictures", done, total), columns=columns, groups=groups,
        hints=True,
    )  # fmt: skip
    notices = list(found.notices)
    parts = (
        split_pictures.split(found, 0.0)
        if found.given is not None
        else split_pictures.FolderSplit(found.usable, [], [])
    )
    if parts.val:
        notices.append(
            f"the val or test part, {counted(len(parts.val), 'picture')}, is not used: it can judge the result"
        )
    chosen = split_pictures.few(found, parts, per_class, seed).train
    entries = [(str(Path(found.pictures.path(place)).absolute()), int(found.pictures.labels[place]))
               for place in chosen]  # fmt: skip
    equal, near = _copies(found, chosen)
    unreadable = {found.pictures.names[place]: reason for place, reason in found.unreadable.items()}
    return SurveyedPictures(
        found.classes, entries, _sizes(entries), equal, near, found.copies_among(chosen), unreadable, len(parts.val),
        notices,
    )  # fmt: skip


Pairs = list[tuple[int, int]]


def _copies(found: photos.PhotoFolder, chosen: Sequence[int]) -> tuple[Pairs, Pairs]:
    """Pairs of equal and of nearly equal pictures among ``chosen``, by their places there."""
    places = {index: place for place, index in enumerate(chosen)}
    if found.near is None:
        pairs = [(group[0], other) for group in found.groups for other in group[1:]]
        return [(places[one], places[two]) for one, two in pairs if one in places and two in places], []
    sides: tuple[Pairs, Pairs] = ([], [])
    for one, two, exact in zip(found.near.first, found.near.second, found.near.exact, strict=True):
        if int(one) in places and int(two) in places:
            sides[0 if exact else 1].append((places[int(one)], places[int(two)]))
    return sides


def _sizes(entries: Sequence[Entry]) -> NDArray[np.int64]:
    from PIL import Image

    found = np.zeros((len(entries), 2), np.int64)
    for place, (path, _) in enumerate(entries):
        with Image.open(path) as picture:
            found[place] = picture.size
    return found
