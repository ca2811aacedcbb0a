"""Prepares pictures with labels (a folder of classes, or what else names them) for training: counts, checks, splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from caffelungo.data import (
    class_folders,
    corrections,
    named_pictures,
    picture_copies,
    picture_groups,
    train_and_val,
)
from caffelungo.data.image_list import ImageList, unread_below
from caffelungo.data.near_duplicates import DuplicatePairs
from caffelungo.data.parallel import Progress
from caffelungo.data.picture_hash import PictureHash
from caffelungo.data.picture_table import PictureColumns
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted, listed

FEW = 10
"""Fewer pictures of a class than this are worth a notice."""


@dataclass
class PhotoFolder:
    """What ``scan`` found. Indices count in ``pictures``.

    ``unreadable`` are left out of every split. ``groups`` are sets of equal pictures (two or more), ``copies`` sets of
    those that are equal or nearly so, as ``near`` says of every pair (None: the pictures were not decoded). ``given``
    says for each picture whether it is in a val sub-folder, None when the folder brings no split. ``keys`` are the
    groups that were asked for, by picture; ``related`` the sets of pictures that these and copies hold together
    (None: no groups were asked for). ``listed``: the pictures are of a list, a table or a file, below ``folder``.
    ``removed`` are left out of every split by ``corrections``, which are in the labels (what they did; None: none).
    """

    folder: Path
    pictures: ImageList
    unreadable: dict[int, str] = field(default_factory=dict)
    groups: list[list[int]] = field(default_factory=list)
    copies: list[list[int]] = field(default_factory=list)
    near: DuplicatePairs | None = None
    given: list[bool] | None = None
    notices: list[str] = field(default_factory=list)
    keys: list[str | None] | None = None
    related: list[list[int]] | None = None
    listed: bool = False
    removed: frozenset[int] = frozenset()
    corrections: str | None = None

    @property
    def together(self) -> list[list[int]]:
        """Sets of pictures that a split must not divide."""
        return self.copies if self.related is None else self.related

    @property
    def classes(self) -> tuple[str, ...]:
        return self.pictures.classes

    @property
    def usable(self) -> list[int]:
        """Indices of the pictures that can be read, less those that corrections leave out."""
        out = self.removed.union(self.unreadable)
        return [index for index in range(len(self.pictures)) if index not in out]

    def copies_among(self, chosen: Sequence[int]) -> list[list[int]]:
        """Sets of pictures among ``chosen`` that a split must not divide, by their places there."""
        places = {index: place for place, index in enumerate(chosen)}
        groups = [[places[index] for index in group if index in places] for group in self.together]
        return [group for group in groups if len(group) > 1]

    def counts(self) -> dict[str, int]:
        """Usable pictures of each class."""
        found = Counter(int(self.pictures.labels[index]) for index in self.usable)
        return {name: found[label] for label, name in enumerate(self.classes)}


def scan(
    folder: str | Path,
    *,
    decoded: bool | None = None,
    progress: Progress | None = None,
    columns: PictureColumns | None = None,
    groups: str | None = None,
    hints: bool = False,
    corrected: str | None = None,
) -> PhotoFolder:
    """Look at every picture that ``folder`` names: classes, counts, unreadable files, equal pictures.

    A folder has one sub-folder per class, or train and val sub-folders that have them; ``named_pictures`` says what
    else there may be. ``decoded``: whether pictures are decoded, which finds damaged ones and equal pictures in
    different files; None decides by their number. ``groups``: a pattern or a column (``picture_groups.keys``);
    ``hints``: whether a notice says that names look grouped where none are given. ``corrected``: a file of corrections
    to the labels. Raises UserError when there are not two classes with pictures.
    """
    named = named_pictures.resolve(folder, columns, progress)
    place = named.folder
    if place is not None:
        pictures, given = train_and_val.of_folder(place)
    else:
        place, pictures, given = train_and_val.of_lists(named)
    found = PhotoFolder(place, pictures, given=given, notices=list(named.notices), listed=named.folder is None)
    if corrected is not None:
        applied = corrections.apply(corrected, pictures)
        pictures = found.pictures = replace(pictures, labels=applied.labels)
        found.removed, found.corrections = applied.removed, applied.summary
        found.notices += [applied.summary, *applied.notices]
    said: list[str] = []
    if groups is not None:
        found.keys, said = picture_groups.keys(pictures.names, groups, named.columns)
    elif hints and named.columns:
        said = picture_groups.grouping(named.columns)
    elif hints and given is None and not named.made:
        hint = picture_groups.looks_grouped(pictures.names, pictures.labels.tolist())
        said = [hint] if hint else []
    found.unreadable, found.groups, hashes = picture_copies.equal(
        pictures, len(pictures) <= picture_copies.DECODED if decoded is None else decoded, progress, found.removed
    )
    _judge(found)
    if not found.listed:  # the labels of lists are numbers that somebody knows
        found, hashes = _without_empty(found, hashes)
    _look_alike(found, hashes)
    found.notices += said
    if found.keys is not None:
        found.related = picture_groups.merged(len(found.pictures), found.copies, found.keys)
    return found


def _look_alike(found: PhotoFolder, hashes: list[PictureHash | None]) -> None:
    """Fill ``near`` and ``copies``, and say how many pictures look alike."""
    found.copies = found.groups
    if not any(hashes):
        return
    found.near = picture_copies.pairs(hashes)
    if not found.near.complete:
        found.notices.append(
            "the pictures look so much alike that near copies cannot be told from others: only equal ones are held "
            "together"
        )
    held = picture_copies.held_together(found.near, found.groups, found.pictures.labels)
    found.copies = picture_groups.merged(len(found.pictures), [*found.groups, *held], ())
    if held and not found.given:
        names = found.pictures.names
        are = counted(sum(map(len, held)), "picture looks", "pictures look")
        found.notices.append(
            f"{are} nearly the same as another, as {' and '.join(names[i] for i in held[0][:2])}: "
            "they stay on one side of a split"
        )


def _judge(found: PhotoFolder) -> None:
    """Raise for what cannot be trained on; keep notices of what can but is worth a look."""
    counts = found.counts()
    full = [name for name, number in counts.items() if number]
    if len(full) < 2:
        inner = found.folder / full[0] if full and found.given is None and not found.listed else None
        more = [] if inner is None else [name for name in class_folders.sub_folders(inner)[0]
                                         if class_folders.has_pictures(inner / name)]  # fmt: skip
        remedy = f"make one sub-folder per class, and put its pictures into it: {found.folder}/cat/1.jpg"
        raise UserError(
            "a classifier needs at least two classes with pictures",
            where=Location(str(found.folder)),
            received=f"{counted(len(full), 'class')} with readable pictures: {listed(full) or 'none'}",
            remedy=f"name the folder inside, which has {counted(len(more), 'folder')}: {inner}"
            if len(more) > 1
            else remedy,
        )
    found.notices += found.pictures.notices
    say = found.notices.append
    empty = [name for name, number in counts.items() if not number]
    if empty:
        lacking = f"{counted(len(empty), 'class has', 'classes have')} no readable picture"
        skipped = f"{counted(len(empty), 'folder')} without a readable picture skipped"
        say(f"{lacking if found.listed else skipped}: {listed(empty)}")
    few = [f"{name} ({number})" for name, number in counts.items() if 0 < number < FEW]
    if few:
        say(f"{counted(len(few), 'class')} with fewer than {FEW} pictures: {listed(few)}")
    numbers = [number for number in counts.values() if number]
    if max(numbers) > 10 * min(numbers):
        say(
            f"the largest class has {max(numbers)} pictures, the smallest {min(numbers)}: accuracy favours large "
            "classes"
        )
    if found.unreadable:
        texts = [f"{found.pictures.names[index]} ({reason})" for index, reason in found.unreadable.items()]
        say(f"{counted(len(texts), 'unreadable picture')} skipped: {listed(texts, 5)}")
    unread = [] if found.listed else unread_below(found.folder)
    if unread:
        say(
            f"{counted(len(unread), 'photo')} in an unsupported format skipped: {listed(unread, 3)}; "
            "convert them to JPEG"
        )
    if found.groups:
        extra = sum(len(group) - 1 for group in found.groups)
        pairs = [" = ".join(found.pictures.names[i] for i in group[:2]) for group in found.groups]
        say(
            f"{counted(extra, 'picture is a copy', 'pictures are copies')} of another, as "
            f"{listed(pairs, 2)}; copies stay on one side of the split"
        )
    torn = [group for group in found.groups if len({int(found.pictures.labels[i]) for i in group}) > 1]
    if torn:
        texts = [" = ".join(found.pictures.names[i] for i in group) for group in torn]
        say(f"{counted(len(torn), 'picture is', 'pictures are')} in several classes: {listed(texts, 3)}")


def _without_empty(
    found: PhotoFolder, hashes: list[PictureHash | None]
) -> tuple[PhotoFolder, list[PictureHash | None]]:
    """``found`` and its ``hashes`` without the classes of which no picture can be read."""
    counts, old = found.counts(), found.pictures
    classes = tuple(name for name in old.classes if counts[name])
    if len(classes) == len(old.classes):
        return found, hashes
    places = {index: place for place, index in enumerate(i for i, label in enumerate(old.labels)
                                                         if counts[old.classes[label]])}  # fmt: skip
    kept = list(places)
    labels = np.array([classes.index(old.classes[label]) for label in old.labels[kept]], np.int64)
    pictures = replace(
        old, names=[old.names[index] for index in kept], labels=labels, lines=old.lines[kept], classes=classes
    )
    unreadable = {places[index]: reason for index, reason in found.unreadable.items() if index in places}
    groups = [[places[index] for index in group] for group in found.groups]
    given = None if found.given is None else [found.given[index] for index in kept]
    keys = None if found.keys is None else [found.keys[index] for index in kept]
    removed = frozenset(places[index] for index in found.removed if index in places)
    again = replace(
        found, pictures=pictures, unreadable=unreadable, groups=groups, given=given, keys=keys, removed=removed
    )
    return again, [hashes[index] for index in kept]
