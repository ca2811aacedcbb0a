"""The pictures that a user names (``data.named_pictures``), or a net's own, as entries with labels. No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import folder as photos
from caffelungo.data import named_pictures, picture_copies, picture_groups, split_pictures
from caffelungo.data.image_list import ImageList, check, read_list
from caffelungo.data.named_pictures import NamedPictures
from caffelungo.data.parallel import Progress
from caffelungo.data.picture_table import PictureColumns
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

Entry = tuple[str, int]
"""A picture's path and its label."""


@dataclass(frozen=True)
class Gathered:
    """``entries`` are learned from, ``test`` judges (None: nothing does). ``groups`` are copies of one picture, by
    their places in ``entries``; ``counts`` the pictures per class.

    ``aside`` (N): which of the entries, the last ones, a training before has set aside, so that they can choose (None:
    there are none).
    """

    classes: tuple[str, ...]
    entries: list[Entry]
    test: list[Entry] | None
    groups: list[list[int]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    aside: NDArray[np.bool_] | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """N labels of ``entries``."""
        return np.array([label for _, label in self.entries], np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.bincount(self.labels, minlength=len(self.classes))


@dataclass(frozen=True)
class Choice:
    """How pictures are read and chosen: ``columns`` of a table, ``groups`` that no split divides (a pattern or a
    column), and of each class at most ``per_class`` pictures to learn from, drawn by ``seed``. ``corrections``: a file
    of them, for the pictures to learn from."""

    columns: PictureColumns = field(default_factory=PictureColumns)
    groups: str | None = None
    per_class: int | None = None
    seed: int = 0
    corrections: str | None = None


def gather(
    data: str, test: str | None = None, progress: Progress | None = None, choice: Choice | None = None
) -> Gathered:
    """The pictures of ``data``; a val or test part of it judges, unless ``test`` is named.

    Pictures that cannot be read are skipped, with a notice. UserError for fewer than two classes, and where
    ``test`` has others.
    """
    how = choice or Choice()
    found = photos.scan(
        data, progress=progress, columns=how.columns, groups=how.groups, hints=True, corrected=how.corrections
    )
    notices = list(found.notices)
    judging: list[Entry] | None = None
    chosen, parts = found.usable, None
    if test is not None:
        named = _named_test(test, progress, how.columns)
        judging = _judging(named, found.classes, progress)
        if found.keys is not None and how.groups is not None:
            judging = _apart(found, chosen, named, judging, how.groups, notices)
    elif found.given is not None:
        parts = split_pictures.split(found)
        chosen, notices = parts.train, notices + parts.notices
        judging = _entries(found.pictures, parts.val) or None
    chosen = split_pictures.few(found, split_pictures.FolderSplit(chosen, [], []), how.per_class, how.seed).train
    if test is not None and judging:
        learned = [found.pictures.path(index) for index in chosen]
        alike = picture_copies.across_files(learned, [path for path, _ in judging], progress)
        notices += alike.notice("test", "the pictures to learn from", "they stay, and make the test too easy")
    return Gathered(found.classes, _entries(found.pictures, chosen), judging, found.copies_among(chosen), notices)


def _apart(
    found: photos.PhotoFolder, chosen: Sequence[int], test: NamedPictures, judging: list[Entry], groups: str,
    notices: list[str],
) -> list[Entry]:  # fmt: skip
    """The entries of ``judging`` (all those of ``test``) whose group is none of the pictures to learn from."""
    assert found.keys is not None
    if groups in test.columns:
        listed = test.lists[named_pictures.TRAIN]
        paths = {os.path.abspath(listed.path(index)): index for index in range(len(listed))}
        values = test.columns[groups]
        keys: list[str | None] = [values[paths[os.path.abspath(path)]].strip() or None for path, _ in judging]
    else:
        root = os.path.commonpath([str(Path(path).absolute().parent) for path, _ in judging])
        names = [os.path.relpath(path, root) for path, _ in judging]
        keys, _ = picture_groups.keys(names, groups)
    learned = {found.keys[index] for index in chosen} - {None}
    kept = [entry for entry, key in zip(judging, keys, strict=True) if key not in learned]
    if not kept:
        raise UserError(
            "every test picture is of a group that is also learned from", where=Location(str(test.source)),
            received=f"{counted(len(judging), 'picture')}, --groups {groups}",
            remedy="name test pictures of other groups",
        )  # fmt: skip
    if len(kept) < len(judging):
        are = counted(len(judging) - len(kept), "test picture is", "test pictures are")
        notices.append(f"{are} of groups that are also learned from: removed")
    return kept


def own(definition: Definition, test: str | None = None, progress: Progress | None = None) -> Gathered:
    """The pictures that the net's own data layers name: those of TRAIN, and those of TEST alone as set aside.

    UserError for a net whose data are no lists of pictures, for pictures that cannot be read, for fewer than two
    classes, and where TEST has labels of other classes.
    """
    lists: dict[int, ImageList] = {}
    for phase in (TRAIN, TEST):
        state = net_state(definition.message, phase)
        for layer in definition.message.layer:
            if layer.type == "ImageData" and included(layer, state):
                data = layer.image_data_param
                lists[phase] = read_list(data.source, data.root_folder, beside=definition.path)
                break
    if TRAIN not in lists:
        raise UserError(
            "the net has no pictures of its own to fit its classifier to",
            where=definition.where(),
            received="no ImageData layer in phase TRAIN",
            remedy="name them: --data photos/",
        )
    named = lists[TRAIN].classes
    _readable(lists[TRAIN])
    _labelled(lists[TRAIN], None)
    _two_classes(lists[TRAIN])
    learned = _entries(lists[TRAIN], range(len(lists[TRAIN])))
    seen = {os.path.normpath(name) for name, _ in learned}
    aside: list[Entry] = []
    if TEST in lists:
        _readable(lists[TEST])
        _labelled(lists[TEST], len(named) if named else None)
        judges = _entries(lists[TEST], range(len(lists[TEST])))
        aside = [entry for entry in judges if os.path.normpath(entry[0]) not in seen]
    entries = [*learned, *aside]
    classes = named or tuple(str(label) for label in range(max(label for _, label in entries) + 1))
    judging = _judging(_named_test(test, progress), classes, progress) if test is not None else None
    if aside:
        mask = np.arange(len(entries)) >= len(learned)
        return Gathered(classes, entries, judging, aside=mask)
    notice = (
        "no picture is held out, so the penalty is chosen on pictures that the layers below may have been trained "
        "on: it may be too small"
    )
    return Gathered(classes, entries, judging, notices=[notice])


def _named_test(test: str, progress: Progress | None, columns: PictureColumns | None = None) -> NamedPictures:
    return named_pictures.resolve(test, columns, progress, what="folder or list of test pictures")


def _judging(named: NamedPictures, classes: Sequence[str], progress: Progress | None) -> list[Entry]:
    """The pictures of ``named`` with the labels of ``classes``."""
    path = named.folder or named.source
    if named.folder is not None:
        found = photos.scan(path, progress=progress)
        pictures, chosen = found.pictures, found.usable  # of two classes at least, or scan refuses it
    else:
        pictures = next(named.lists[part] for part in _JUDGES if part in named.lists)
        _readable(pictures)
        chosen = list(range(len(pictures)))
    by_name = named.folder is not None or bool(named.columns) or named.made
    if pictures.classes and tuple(pictures.classes) != tuple(classes):
        unknown = sorted(set(pictures.classes) - set(classes))
        if unknown or not by_name:
            raise UserError(
                "the test pictures have other classes",
                where=Location(str(path)),
                received=f"{counted(len(pictures.classes), 'class')}; not learned: {', '.join(unknown[:6]) or 'none'}",
                remedy="use the class names of --data",
            )
        again = [tuple(classes).index(name) for name in pictures.classes]
        return [(pictures.path(index), again[int(pictures.labels[index])]) for index in chosen]
    _labelled(pictures, len(classes))
    return _entries(pictures, chosen)


_JUDGES = (named_pictures.TEST, named_pictures.VAL, named_pictures.TRAIN)
"""Of a data set with several parts the one that judges, the first that it has."""


def _readable(pictures: ImageList) -> None:
    if problems := check(pictures):
        raise UserError(problems)


def _two_classes(pictures: ImageList) -> None:
    if len(set(pictures.labels.tolist())) < 2:
        raise UserError(
            "a classifier needs at least two classes",
            where=Location(str(pictures.file)),
            received=f"label {pictures.labels[0]} only",
            remedy="list pictures of another class, too",
        )


def _labelled(pictures: ImageList, classes: int | None) -> None:
    """UserError for labels below 0, and for those of none of ``classes`` (None: there may be any number)."""
    wrong = pictures.labels < 0 if classes is None else (pictures.labels < 0) | (pictures.labels >= classes)
    if wrong.any():
        index = int(wrong.argmax())
        raise UserError(
            "labels must be classes from 0 on" if classes is None else "the list has labels without a class",
            where=pictures.where(index),
            received=f"label {int(pictures.labels[index])}, and {int(wrong.sum()) - 1} more lines",
            remedy="number the classes 0, 1, 2 ..." if classes is None else f"labels go from 0 to {classes - 1}",
        )


def _entries(pictures: ImageList, indices: Sequence[int] | range) -> list[Entry]:
    return [(str(Path(pictures.path(index)).absolute()), int(pictures.labels[index])) for index in indices]
