"""Training and validation pictures of a folder or a list: drawn by a seed, or as the data set itself has them.

Copies stay on one side, and groups that no split may divide (``group_split``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo.data import group_split, picture_copies, picture_groups, random_numbers
from caffelungo.data.folder import PhotoFolder
from caffelungo.data.image_list import write_list
from caffelungo.errors import Location, UserError
from caffelungo.files import write_text
from caffelungo.wording import counted, listed


@dataclass(frozen=True)
class FolderSplit:
    """Indices of training and validation pictures, and what is worth saying."""

    train: list[int]
    val: list[int]
    notices: list[str]


def split(found: PhotoFolder, share: float = 0.2, seed: int = 0) -> FolderSplit:
    """Training and validation pictures: of each class about ``share`` to validation, copies on one side.

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
    if found.related is not None:
        return _by_groups(found, share, seed)
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
            f"{counted(len(lonely), 'class')} with only one picture, which is used for training, so not "
            f"tested: {listed(lonely)}"
        )
    train = [index for index in found.usable if index not in val]
    return FolderSplit(train, sorted(val), notices)


def _by_groups(found: PhotoFolder, share: float, seed: int) -> FolderSplit:
    """The split that divides no group."""
    usable = found.usable
    labels = [int(found.pictures.labels[index]) for index in usable]
    chosen = set(group_split.held_out(labels, found.copies_among(usable), share, seed))
    tested = {labels[place] for place in chosen}
    missing = [name for label, name in enumerate(found.classes) if label not in tested and share > 0]
    notices = []
    if missing:
        notices.append(
            f"{counted(len(missing), 'class has', 'classes have')} no group that could be held out, so not "
            f"tested: {listed(missing)}"
        )
    train = [index for place, index in enumerate(usable) if place not in chosen]
    return FolderSplit(train, [usable[place] for place in sorted(chosen)], notices)


def few(found: PhotoFolder, parts: FolderSplit, per_class: int | None, seed: int) -> FolderSplit:
    """``parts`` with at most ``per_class`` training pictures per class; draws of one seed are nested."""
    if per_class is None:
        return parts
    drawn = group_split.few([int(found.pictures.labels[index]) for index in parts.train], per_class, seed)
    chosen = sorted(parts.train[place] for places in drawn.values() for place in places)
    return FolderSplit(chosen, parts.val, parts.notices)


def _units(found: PhotoFolder, label: int) -> list[list[int]]:
    """The class's pictures, copies together; those that are in several classes too are for training."""
    grouped = {index: group for group in found.copies for index in group}
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
    # What only looks like a picture of train stays in val: the data set has been divided by somebody.
    sets = picture_groups.merged(len(found.pictures), found.groups, found.keys or ())
    copies = {index for group in sets if inside.intersection(group) for index in group}
    val = [index for index in found.usable if found.given[index] and index not in copies]
    left_out = sum(found.given[index] for index in copies)
    own = (
        "train and test parts that the data set comes with"
        if found.listed
        else "folder's own train and val sub-folders"
    )
    notices = [f"the {own} are used"]
    if found.near is not None:
        alike = picture_copies.across(found.near, found.pictures.names, train, val)
        notices += alike.notice("val", "train", "they stay, and make the test too easy")
    if left_out and found.related is not None:
        if not val:
            raise UserError(
                "every val picture is of a group that is also in train", where=Location(str(found.folder)),
                received=counted(left_out, "val picture"), remedy="use other groups, or put each group on one side",
            )  # fmt: skip
        notices.append(
            f"{counted(left_out, 'val picture is', 'val pictures are')} of groups that train has, too: removed"
        )
    elif left_out:
        notices.append(f"{counted(left_out, 'val picture is', 'val pictures are')} also in train, and removed from val")
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
