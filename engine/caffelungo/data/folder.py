"""Prepares a folder of photos with one sub-folder per class for training: counts, checks, splits, lists."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from caffelungo.data import class_folders, random_numbers
from caffelungo.data.decode import decode
from caffelungo.data.image_list import ImageList, read_folder, unread_below, write_list
from caffelungo.data.parallel import Progress, in_order
from caffelungo.errors import Location, Problem, UserError
from caffelungo.files import find, write_text
from caffelungo.wording import listed

FEW = 10
"""Fewer pictures of a class than this are worth a notice."""
DECODED = 20_000
"""Up to so many pictures are decoded when they are counted; beyond it only the files' bytes are compared."""
_TRAIN = frozenset({"train", "training"})
_VAL = frozenset({"val", "valid", "validation", "test", "testing"})


@dataclass
class PhotoFolder:
    """What ``scan`` found. Indices count in ``pictures``.

    ``unreadable`` are left out of every split. ``groups`` are sets of equal pictures (two or more). ``given`` says for
    each picture whether it is in a val sub-folder, None when the folder brings no split of its own.
    """

    folder: Path
    pictures: ImageList
    unreadable: dict[int, str] = field(default_factory=dict)
    groups: list[list[int]] = field(default_factory=list)
    given: list[bool] | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.pictures.classes

    @property
    def usable(self) -> list[int]:
        """Indices of the pictures that can be read."""
        return [index for index in range(len(self.pictures)) if index not in self.unreadable]

    def copies_among(self, chosen: Sequence[int]) -> list[list[int]]:
        """Sets of equal pictures among ``chosen``, by their places there."""
        places = {index: place for place, index in enumerate(chosen)}
        groups = [[places[index] for index in group if index in places] for group in self.groups]
        return [group for group in groups if len(group) > 1]

    def counts(self) -> dict[str, int]:
        """Readable pictures of each class."""
        found = Counter(int(self.pictures.labels[index]) for index in self.usable)
        return {name: found[label] for label, name in enumerate(self.classes)}


@dataclass(frozen=True)
class FolderSplit:
    """Indices of training and validation pictures, and what is worth saying."""

    train: list[int]
    val: list[int]
    notices: list[str]


def scan(folder: str | Path, *, decoded: bool | None = None, progress: Progress | None = None) -> PhotoFolder:
    """Look at every picture below ``folder``: classes, counts, unreadable files, equal pictures.

    The folder has one sub-folder per class, or train and val sub-folders that have them. ``decoded``: whether pictures
    are decoded, which finds damaged ones and equal pictures in different files; None decides by their number.
    Raises UserError when there are not two classes with pictures.
    """
    path = find(folder, what="folder of pictures")
    if not path.is_dir():
        raise UserError(
            "a folder of pictures is needed",
            where=Location(str(path)),
            received="a file",
            remedy="name the folder that has one sub-folder per class",
        )
    pictures, given = _pictures(path)
    found = PhotoFolder(path, pictures, given=given)
    _look(found, len(pictures) <= DECODED if decoded is None else decoded, progress)
    _judge(found)
    return _without_empty(found)


def _pictures(folder: Path) -> tuple[ImageList, list[bool] | None]:
    """The pictures below ``folder``, and for each whether the folder itself keeps it for validation."""
    inside = [name for name in class_folders.sub_folders(folder)[0] if class_folders.has_pictures(folder / name)]
    train = [name for name in inside if name.lower() in _TRAIN]
    # With val and test both there, test is left for the end.
    val = sorted((name for name in inside if name.lower() in _VAL), key=lambda name: name.lower().startswith("test"))
    if (
        len(train) != 1
        or len(inside) != 1 + len(val)
        or not any(class_folders.has_pictures(folder / train[0] / name)
                   for name in class_folders.sub_folders(folder / train[0])[0])
    ):  # fmt: skip
        return read_folder(folder, empty=False), None
    parts = [(train[0], False), *((name, True) for name in val[:1])]
    lists = [(name, is_val, read_folder(folder / name, empty=False)) for name, is_val in parts]
    classes, notices = _matched(folder, lists)
    kept = [
        (f"{name}/{picture}", classes.index(pictures.classes[label]), is_val)
        for name, is_val, pictures in lists
        for picture, label in zip(pictures.names, pictures.labels, strict=True)
        if pictures.classes[label] in classes
    ]
    names, labels, given = [list(column) for column in zip(*kept, strict=True)]
    array = np.array(labels, np.int64)
    notices = [*(text for _, _, pictures in lists for text in pictures.notices), *notices]
    merged = ImageList(
        folder, names, array, np.zeros(len(names), np.int64), (f"{folder}/",), classes, tuple(dict.fromkeys(notices))
    )
    return merged, given if val else None


def _matched(folder: Path, lists: list[tuple[str, bool, ImageList]]) -> tuple[tuple[str, ...], list[str]]:
    """The classes of train, and what is worth saying where those of val are others."""
    classes = lists[0][2].classes
    if len(lists) == 1:
        return classes, []
    (train, _, _), (val, _, tested) = lists
    extra = [name for name in tested.classes if name not in classes]
    known = {class_folders.same_name(name).casefold(): name for name in classes}
    nearly = [(known.get(class_folders.same_name(name).casefold()), name) for name in extra]
    problems = [
        Problem(
            "a class folder has different names in train and val", Location(str(folder)),
            f"{f'{train}/{near}'!r} and {f'{val}/{name}'!r}", "give both the same name",
        )
        for near, name in nearly if near is not None and near not in tested.classes
    ]  # fmt: skip
    if problems:
        raise UserError(problems)
    notices = []
    if extra:
        notices.append(f"{len(extra)} class(es) of {val} are not in {train}, and are skipped: {listed(extra, 5)}")
    if missing := [name for name in classes if name not in tested.classes]:
        notices.append(
            f"{len(missing)} class(es) have no picture in {val}, so they are not tested: {listed(missing, 5)}"
        )
    return classes, notices


def _look(found: PhotoFolder, decoded: bool, progress: Progress | None) -> None:
    """Fill ``unreadable`` and ``groups``."""
    equal: dict[bytes, list[int]] = defaultdict(list)
    indices = range(len(found.pictures))
    for index, result in in_order(lambda i: _fingerprint(found.pictures, i, decoded), indices, progress):
        if isinstance(result, str):
            found.unreadable[index] = result
        else:
            equal[result].append(index)
    found.groups = [group for group in equal.values() if len(group) > 1]


def _fingerprint(pictures: ImageList, index: int, decoded: bool) -> bytes | str:
    """A hash that equal pictures share, or why the picture cannot be used."""
    name = pictures.names[index]
    if "\n" in name or "\r" in name:
        return "its name contains a line break, which a list cannot represent"
    path = Path(pictures.path(index))
    try:
        if not decoded:
            data = path.read_bytes()
            return hashlib.blake2b(data, digest_size=16).digest() if data else "an empty file"
        image = decode(path)
    except OSError as error:
        return str(error)
    except UserError as error:
        return error.problems[0].received or error.problems[0].what
    return hashlib.blake2b(image.tobytes(), digest_size=16, key=repr(image.shape).encode()).digest()


def _judge(found: PhotoFolder) -> None:
    """Raise for what cannot be trained on; keep notices of what can but is worth a look."""
    counts = found.counts()
    full = [name for name, number in counts.items() if number]
    if len(full) < 2:
        inner = found.folder / full[0] if full and found.given is None else None
        more = [] if inner is None else [name for name in class_folders.sub_folders(inner)[0]
                                         if class_folders.has_pictures(inner / name)]  # fmt: skip
        remedy = f"make one sub-folder per class, and put its pictures into it: {found.folder}/cat/1.jpg"
        raise UserError(
            "a classifier needs at least two classes with pictures",
            where=Location(str(found.folder)),
            received=f"{len(full)} class(es) with readable pictures: {listed(full) or 'none'}",
            remedy=f"name the folder inside, which has {len(more)} folders: {inner}" if len(more) > 1 else remedy,
        )
    found.notices += found.pictures.notices
    say = found.notices.append
    empty = [name for name, number in counts.items() if not number]
    if empty:
        say(f"{len(empty)} folder(s) contain no readable picture and are skipped: {listed(empty)}")
    few = [f"{name} ({number})" for name, number in counts.items() if 0 < number < FEW]
    if few:
        say(f"{len(few)} class(es) have fewer than {FEW} pictures: {listed(few)}")
    numbers = [number for number in counts.values() if number]
    if max(numbers) > 10 * min(numbers):
        say(
            f"the largest class has {max(numbers)} pictures, the smallest {min(numbers)}: accuracy favours large "
            "classes"
        )
    if found.unreadable:
        texts = [f"{found.pictures.names[index]} ({reason})" for index, reason in found.unreadable.items()]
        say(f"{len(texts)} picture(s) cannot be read and are skipped: {listed(texts, 5)}")
    unread = unread_below(found.folder)
    if unread:
        say(
            f"{len(unread)} photo(s) are in an unsupported format, and are skipped: {listed(unread, 3)}; "
            "convert them to JPEG"
        )
    if found.groups:
        extra = sum(len(group) - 1 for group in found.groups)
        pairs = [" = ".join(found.pictures.names[i] for i in group[:2]) for group in found.groups]
        say(f"{extra} picture(s) are copies of another, as {listed(pairs, 2)}; copies stay on one side of the split")
    torn = [group for group in found.groups if len({int(found.pictures.labels[i]) for i in group}) > 1]
    if torn:
        texts = [" = ".join(found.pictures.names[i] for i in group) for group in torn]
        say(f"{len(torn)} picture(s) are in several classes: {listed(texts, 3)}")


def _without_empty(found: PhotoFolder) -> PhotoFolder:
    """``found`` without the classes of which no picture can be read."""
    counts, old = found.counts(), found.pictures
    classes = tuple(name for name in old.classes if counts[name])
    if len(classes) == len(old.classes):
        return found
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
    return PhotoFolder(found.folder, pictures, unreadable, groups, given, found.notices)


def split(found: PhotoFolder, share: float = 0.2, seed: int = 0) -> FolderSplit:
    """Training and validation pictures: of each class about ``share`` to validation, equal pictures on one side.

    A folder that brings train and val sub-folders keeps its own split, less the val pictures that are also in train.
    The split depends on the names, ``share`` and ``seed`` only. Every class with a picture has one in training.
    """
    if not 0 <= share < 1:
        raise UserError(
            "the share of validation pictures must be at least 0 and below 1",
            received=f"{share:g}",
            remedy="use 0.2 for one in five",
        )
    if found.given is not None:
        return _given(found)
    notices = []
    val: set[int] = set()
    lonely = []
    for label, name in enumerate(found.classes):
        units = _units(found, label)
        size = sum(len(unit) for unit in units)
        wanted = max(1, round(size * share)) if share > 0 and len(units) > 1 else 0
        if share > 0 and len(units) == 1:
            lonely.append(name)
        order = random_numbers.permutation(seed, label, len(units)).tolist() if units else []
        taken = 0
        for number in order[:-1]:
            unit = units[number]
            if taken + len(unit) <= wanted:
                val.update(unit)
                taken += len(unit)
    if lonely:
        notices.append(
            f"{len(lonely)} class(es) have only one picture, which is used for training, so they are not "
            f"tested: {listed(lonely)}"
        )
    train = [index for index in found.usable if index not in val]
    return FolderSplit(train, sorted(val), notices)


def _units(found: PhotoFolder, label: int) -> list[list[int]]:
    """The class's pictures, equal ones together; those that are in several classes too are for training."""
    grouped = {index: group for group in found.groups for index in group}
    units: list[list[int]] = []
    for index in found.usable:
        if found.pictures.labels[index] != label:
            continue
        group = grouped.get(index, [index])
        if group[0] == index and all(found.pictures.labels[other] == label for other in group):
            units.append(group)
    return units


def _given(found: PhotoFolder) -> FolderSplit:
    assert found.given is not None
    train = [index for index in found.usable if not found.given[index]]
    inside = set(train)
    copies = {index for group in found.groups if inside.intersection(group) for index in group}
    val = [index for index in found.usable if found.given[index] and index not in copies]
    left_out = sum(found.given[index] for index in copies)
    notices = ["the folder's own train and val sub-folders are used"]
    if left_out:
        notices.append(f"{left_out} val picture(s) are also in train, and are removed from val")
    return FolderSplit(train, val, notices)


def write(found: PhotoFolder, parts: FolderSplit, out: str | Path) -> dict[str, Path]:
    """Write ``train.txt``, ``val.txt`` (paths relative to the folder of pictures) and ``labels.txt`` into ``out``."""
    folder = Path(out)
    paths = {name: folder / f"{name}.txt" for name in ("train", "val", "labels")}
    write_list(paths["train"], _entries(found, parts.train))
    write_list(paths["val"], _entries(found, parts.val))
    write_text(paths["labels"], "".join(f"{name}\n" for name in found.classes))
    return paths


def _entries(found: PhotoFolder, indices: Sequence[int]) -> Iterator[tuple[str, int]]:
    for index in indices:
        yield found.pictures.names[index], int(found.pictures.labels[index])
