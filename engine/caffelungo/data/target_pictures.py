"""Pictures whose targets are rows of numbers, prepared for training: checks, copies and splits.

``folder`` prepares those with one label each. Here nothing is counted by class, and a split is drawn from all pictures
alike; otherwise the same is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from caffelungo.data import picture_copies, picture_groups, train_and_val
from caffelungo.data.folder import PhotoFolder
from caffelungo.data.image_list import Target, write_list
from caffelungo.data.named_pictures import NamedPictures
from caffelungo.data.parallel import Progress
from caffelungo.data.split_pictures import FolderSplit
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted, listed

LEAST = 4
"""Fewest pictures of a training: some to learn from, and one to test on."""


def scan_targets(
    named: NamedPictures, *, groups: str | None = None, progress: Progress | None = None, hints: bool = False
) -> PhotoFolder:
    """Look at every picture of ``named``, whose lists have rows of numbers: unreadable files and equal pictures.

    ``groups`` and ``hints`` as in ``folder.scan``. UserError for fewer than ``LEAST`` pictures that can be read.
    """
    place, pictures, given = train_and_val.of_lists(named)
    found = PhotoFolder(place, pictures, given=given, notices=list(named.notices), listed=True)
    keys: list[str | None] | None = None
    if groups is not None:
        keys, said = picture_groups.keys(pictures.names, groups, named.columns)
        found.notices += said
    elif hints:
        found.notices += picture_groups.grouping(named.columns)
    decoded = len(pictures) <= picture_copies.DECODED
    found.unreadable, found.groups, _ = picture_copies.equal(pictures, decoded, progress)
    _judge(found)
    found.keys = keys
    # Splits that hold groups together draw from all pictures, whatever their labels.
    found.related = picture_groups.merged(len(pictures), found.groups, keys or ())
    return found


def _judge(found: PhotoFolder) -> None:
    names = found.pictures.names
    if len(found.usable) < LEAST:
        raise UserError(
            f"a training needs at least {LEAST} pictures that can be read",
            where=Location(str(found.pictures.file)),
            received=counted(len(found.usable), "picture"),
            remedy="add pictures with their numbers",
        )
    if found.unreadable:
        texts = [f"{names[index]} ({reason})" for index, reason in found.unreadable.items()]
        found.notices.append(f"{counted(len(texts), 'unreadable picture')} skipped: {listed(texts, 5)}")
    if found.groups:
        extra = sum(len(group) - 1 for group in found.groups)
        pairs = [" = ".join(names[i] for i in group[:2]) for group in found.groups]
        are = counted(extra, "picture is a copy", "pictures are copies")
        found.notices.append(f"{are} of another, as {listed(pairs, 2)}; copies stay on one side of the split")
    assert found.pictures.targets is not None
    torn = [group for group in found.groups if len({tuple(found.pictures.targets[i]) for i in group}) > 1]
    if torn:
        texts = [" = ".join(names[i] for i in group) for group in torn]
        found.notices.append(f"{counted(len(torn), 'picture has', 'pictures have')} other numbers in a copy: "
                             f"{listed(texts, 3)}")  # fmt: skip


def write_targets(found: PhotoFolder, parts: FolderSplit, out: str | Path) -> dict[str, Path]:
    """Write ``train.txt`` and ``val.txt``, one picture and its numbers per line, into ``out``."""
    paths = {name: Path(out) / f"{name}.txt" for name in ("train", "val")}
    for name, chosen in (("train", parts.train), ("val", parts.val)):
        write_list(paths[name], _entries(found, chosen))
    return paths


def _entries(found: PhotoFolder, chosen: Sequence[int]) -> list[tuple[str, Target]]:
    return [(found.pictures.names[index], found.pictures.target(index)) for index in chosen]
