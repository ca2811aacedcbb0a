"""The pictures of a project as its options name them: read, corrected, held out and cut to a few per class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from caffelungo.data import folder as photos
from caffelungo.data import split_pictures
from caffelungo.data.picture_table import PictureColumns

Progress = Callable[[int, int], None]


class PictureOptions(Protocol):
    """The options of a project that say which pictures it has: see ``project_options.ProjectOptions``."""

    @property
    def data(self) -> str: ...
    @property
    def val(self) -> float: ...
    @property
    def groups(self) -> str | None: ...
    @property
    def per_class(self) -> int | None: ...
    @property
    def path_column(self) -> str | None: ...
    @property
    def label_column(self) -> str | None: ...
    @property
    def corrections(self) -> str | None: ...
    @property
    def seed(self) -> int: ...


def read_pictures(options: PictureOptions, progress: Progress, numbers: bool | None = False) -> photos.PhotoFolder:
    """The pictures of ``options.data`` with a class each; UserError with everything that is wrong with them.

    ``numbers``: as in ``PictureColumns``.
    """
    return photos.scan(
        options.data, progress=progress,
        columns=PictureColumns(options.path_column, options.label_column, numbers), groups=options.groups, hints=True,
        corrected=options.corrections,
    )  # fmt: skip


def parted(found: photos.PhotoFolder, options: PictureOptions) -> split_pictures.FolderSplit:
    """Which of ``found`` train, and which are held out for testing."""
    parts = split_pictures.split(found, options.val, options.seed)
    return split_pictures.few(found, parts, options.per_class, options.seed)


def notices(found: photos.PhotoFolder, parts: split_pictures.FolderSplit) -> list[str]:
    """What is worth a look."""
    told = [*found.notices, *parts.notices]
    if not parts.val:
        told.append("no picture is held out for testing: TEST uses the training pictures; --val 0.2 holds out a fifth")
    return told
