"""A folder of classes as three lists of pictures per seed: for training, for choosing rates, for testing. No torch."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo.data import folder as photos
from caffelungo.data import group_split, picture_copies, split_pictures
from caffelungo.data.folder import PhotoFolder
from caffelungo.data.parallel import Progress
from caffelungo.data.picture_table import PictureColumns
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

Entry = tuple[str, int]
"""A picture's absolute path and its label."""


@dataclass(frozen=True)
class PictureSplit:
    """One split: ``fit`` is learned from, ``validation`` chooses rates, ``test`` judges; no picture is in two of them.

    ``digest`` is that of all the files' bytes and labels.
    """

    classes: tuple[str, ...]
    fit: list[Entry]
    validation: list[Entry]
    test: list[Entry]
    digest: str
    notices: list[str]

    def text(self, part: str) -> str:
        """``fit``, ``validation`` or ``test`` as a list of pictures."""
        entries: list[Entry] = getattr(self, part)
        return "".join(f"{path} {label}\n" for path, label in entries)

    @property
    def per_class(self) -> float:
        """Training pictures per class, on average."""
        return len(self.fit) / len(self.classes)


def gather(
    data: str,
    test: str | None = None,
    *,
    per_class: int | None = None,
    validation: float = 0.2,
    held_out: float = 0.3,
    seeds: Sequence[int] = (0,),
    progress: Progress | None = None,
    columns: PictureColumns | None = None,
    groups: str | None = None,
    corrected: str | None = None,
) -> list[PictureSplit]:
    """The pictures of ``data``, judged by those of ``test``: one split for each of ``seeds``, drawn by it.

    Without ``test``, the val or test sub-folder of ``data`` judges, or a share ``held_out`` of each class. A folder
    that judges does so in every split. Of the rest at most ``per_class`` pictures per class are used, a share
    ``validation`` of them to choose rates on. Pictures of one of ``groups`` (a pattern or a column) are in one of the
    three. ``corrected``: a file of corrections to the labels of ``data``. Raises UserError when classes differ, or one
    has too few pictures.
    """
    found = photos.scan(data, progress=progress, columns=columns, groups=groups, hints=True, corrected=corrected)
    notices = list(found.notices)
    fixed = None
    if test is not None:
        other = photos.scan(test, progress=progress, columns=columns, groups=groups)
        fixed = _other(found, other, test, notices)
        learned = [path for path, _ in _entries(found, found.usable)]
        alike = picture_copies.across_files(learned, [path for path, _ in fixed], progress)
        notices += alike.notice("test", "--data", "they stay, and make the test too easy")
    digests: dict[str, bytes] = {}
    return [_split(found, fixed, per_class, validation, held_out, seed, list(notices), digests) for seed in seeds]


def _split(
    found: PhotoFolder,
    fixed: list[Entry] | None,
    per_class: int | None,
    validation: float,
    held_out: float,
    seed: int,
    notices: list[str],
    digests: dict[str, bytes],
) -> PictureSplit:
    """One split; ``digests`` keeps those of files between calls."""
    if fixed is not None:
        judged, rest = fixed, _entries(found, found.usable)
    else:
        parts = split_pictures.split(found, held_out, seed)
        notices += parts.notices
        judged, rest = _entries(found, parts.val), _entries(found, parts.train)
    if found.related is None:
        fit, chosen = _divide(rest, per_class, validation, seed)
        chosen = _without_copies(found, fit, chosen, notices)
    else:
        fit, chosen = _divide_groups(found, rest, per_class, validation, seed)
    _check(found, fit, chosen, judged)
    return PictureSplit(found.classes, fit, chosen, judged, _digest(digests, fit, chosen, judged), notices)


def _entries(found: PhotoFolder, indices: Sequence[int]) -> list[Entry]:
    pictures = found.pictures
    return [(str(Path(pictures.path(i)).absolute()), int(pictures.labels[i])) for i in indices]


def _other(found: PhotoFolder, other: PhotoFolder, test: str, notices: list[str]) -> list[Entry]:
    """The pictures of ``other``, less those that are also in ``found``, or of its groups."""
    if other.classes != found.classes:
        lacking = sorted(set(found.classes) ^ set(other.classes))
        raise UserError(
            "the test folder has other classes",
            where=Location(str(other.folder)),
            received=f"{counted(len(other.classes), 'class')}; only in one of the two: {', '.join(lacking[:6])}",
            remedy="give it one sub-folder per class of --data, with the same names",
        )
    known = {_bytes(path) for path, _ in _entries(found, found.usable)}
    learned = {key for key in found.keys or () if key is not None}
    chosen = [index for index in other.usable if other.keys is None or other.keys[index] not in learned]
    if len(chosen) < len(other.usable):
        shared = counted(len(other.usable) - len(chosen), "picture")
        notices.append(f"{shared} of {test} removed, because --data has pictures of the same group")
    entries = _entries(other, chosen)
    kept = [entry for entry in entries if _bytes(entry[0]) not in known]
    if len(kept) < len(entries):
        notices.append(f"{counted(len(entries) - len(kept), 'picture')} of {test} removed, because --data has the same")
    return kept


def _bytes(path: str) -> bytes:
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).digest()


def _divide(
    entries: Sequence[Entry], per_class: int | None, validation: float, seed: int
) -> tuple[list[Entry], list[Entry]]:
    """Of each class ``per_class`` pictures, drawn by ``seed``, and a share of them to validation."""
    fit: list[Entry] = []
    chosen: list[Entry] = []
    for places in group_split.few([label for _, label in entries], per_class, seed).values():
        order = [entries[place] for place in places]
        size = max(1, round(len(order) * validation))
        chosen += order[:size]
        fit += order[size:]
    return fit, chosen


def _divide_groups(
    found: PhotoFolder, entries: Sequence[Entry], per_class: int | None, validation: float, seed: int
) -> tuple[list[Entry], list[Entry]]:
    """As ``_divide``, with each group on one side."""
    drawn = group_split.few([label for _, label in entries], per_class, seed)
    chosen = [entries[place] for places in drawn.values() for place in places]
    places = {str(Path(found.pictures.path(i)).absolute()): i for i in found.usable}
    groups = found.copies_among([places[path] for path, _ in chosen])
    held = set(group_split.held_out([label for _, label in chosen], groups, validation, seed))
    fit = [entry for place, entry in enumerate(chosen) if place not in held]
    return fit, [chosen[place] for place in sorted(held)]


def _without_copies(
    found: PhotoFolder, fit: Sequence[Entry], chosen: Sequence[Entry], notices: list[str]
) -> list[Entry]:
    """``chosen`` less the pictures that are copies of those in ``fit``."""
    pictures = found.pictures
    groups = {
        str(Path(pictures.path(i)).absolute()): number for number, group in enumerate(found.copies) for i in group
    }
    known = {groups[path] for path, _ in fit if path in groups}
    kept = [entry for entry in chosen if groups.get(entry[0]) not in known]
    if len(kept) < len(chosen):
        notices.append(
            f"{counted(len(chosen) - len(kept), 'picture')} for choosing rates removed: copies of training pictures"
        )
    return kept


def _check(found: PhotoFolder, fit: list[Entry], chosen: list[Entry], judged: list[Entry]) -> None:
    for entries, what in ((fit, "train on"), (chosen, "choose rates on"), (judged, "test on")):
        counts = Counter(label for _, label in entries)
        lacking = [name for label, name in enumerate(found.classes) if not counts[label]]
        if lacking:
            raise UserError(
                f"some classes have no picture to {what}",
                where=Location(str(found.folder)),
                received=", ".join(lacking[:6]),
                remedy="add pictures (at least four per class), or name a test folder with --test",
            )


def _digest(known: dict[str, bytes], *parts: Sequence[Entry]) -> str:
    total = hashlib.sha256()
    for part in parts:
        for path, label in part:
            if path not in known:
                known[path] = _bytes(path)
            total.update(known[path] + label.to_bytes(4, "little"))
        total.update(b"|")
    return total.hexdigest()
