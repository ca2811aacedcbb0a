"""The pictures of a folder of classes or of lists in one list, and which of them validate by its own arrangement."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from caffelungo.data import class_folders, named_pictures
from caffelungo.data.image_list import ImageList, check, read_folder
from caffelungo.data.named_pictures import NamedPictures
from caffelungo.data.packed.packed import MOST_CLASSES
from caffelungo.errors import Location, Problem, UserError
from caffelungo.wording import counted, listed

_TRAIN = frozenset({"train", "training"})
_VAL = frozenset({"val", "valid", "validation", "test", "testing"})


def of_lists(named: NamedPictures) -> tuple[Path, ImageList, list[bool] | None]:
    """The folder above all pictures of the lists, the pictures by paths below it, and which of them validate."""
    train = named.lists.get(named_pictures.TRAIN)
    judging = named.lists.get(named_pictures.VAL) or named.lists.get(named_pictures.TEST)
    parts = [part for part in (train, judging) if part is not None]
    for part in parts:
        if problems := check(part):
            raise UserError(problems)
        wrong = np.flatnonzero((part.labels < 0) | (part.labels >= MOST_CLASSES))
        if part.targets is None and len(wrong):
            more = f", and {counted(len(wrong) - 1, 'more line')}" if len(wrong) > 1 else ""
            raise UserError(
                "labels must be classes from 0 on", where=part.where(int(wrong[0])),
                received=f"label {part.labels[wrong[0]]}{more}",
                remedy="number the classes 0, 1, 2 ...",
            )  # fmt: skip
    paths = [os.path.abspath(part.path(index)) for part in parts for index in range(len(part))]
    root = os.path.commonpath([str(Path(path).parent) for path in paths])
    labels = np.concatenate([part.labels for part in parts])
    lines = np.concatenate([part.lines for part in parts]) if len(parts) == 1 else np.zeros(len(paths), np.int64)
    classes = parts[0].classes or tuple(str(label) for label in range(int(labels.max()) + 1))
    names = [os.path.relpath(path, root) for path in paths]
    rows = [part.targets for part in parts if part.targets is not None]
    pictures = ImageList(
        parts[0].file, names, labels, lines, (f"{root.rstrip('/')}/",), classes,
        targets=np.concatenate(rows) if rows else None, target_names=parts[0].target_names,
    )  # fmt: skip
    given = [part is not train for part in parts for _ in range(len(part))] if len(parts) == 2 else None
    return Path(root), pictures, given


def of_folder(folder: Path) -> tuple[ImageList, list[bool] | None]:
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
        notices.append(f"{counted(len(extra), 'class')} of {val} skipped, missing in {train}: {listed(extra, 5)}")
    if missing := [name for name in classes if name not in tested.classes]:
        notices.append(f"{counted(len(missing), 'class')} not tested, without a picture in {val}: {listed(missing, 5)}")
    return classes, notices
