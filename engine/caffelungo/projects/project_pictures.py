"""The pictures of a project as its options name them: read, corrected, held out and cut to a few per class."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.data import folder as photos
from caffelungo.data import split_pictures
from caffelungo.data.picture_table import PictureColumns
from caffelungo.projects.project_options import PictureProjectOptions, Stage


def read_pictures(
    options: PictureProjectOptions, say: Stage, columns: PictureColumns | None = None
) -> photos.PhotoFolder:
    """The pictures of ``options.data`` with one class each; UserError with everything that is wrong with them.

    ``columns`` None: those that the options name, with names of classes or their numbers.
    """
    return photos.scan(
        options.data, progress=lambda done, total: say("reading pictures", done, total),
        columns=columns or PictureColumns(options.path_column, options.label_column, False), groups=options.groups,
        hints=True, corrected=options.corrections,
    )  # fmt: skip


def parted(found: photos.PhotoFolder, options: PictureProjectOptions) -> split_pictures.FolderSplit:
    """Which of ``found`` train, and which are held out for testing."""
    parts = split_pictures.split(found, options.val, options.seed)
    return split_pictures.few(found, parts, options.per_class, options.seed)


def rows(found: photos.PhotoFolder, chosen: Sequence[int]) -> list[tuple[str, tuple[float, ...]]]:
    """Path and row of numbers of the pictures ``chosen``, which have such rows."""
    assert found.pictures.targets is not None
    targets = found.pictures.targets[list(chosen)].tolist()
    return [(found.pictures.path(index), tuple(row)) for index, row in zip(chosen, targets, strict=True)]


def notices(found: photos.PhotoFolder, parts: split_pictures.FolderSplit, also: str = "") -> list[str]:
    """What is worth a look; ``also``: what else the training pictures serve where none is held out."""
    given = [*found.notices, *parts.notices]
    if not parts.val:
        given.append(f"no picture is held out for testing: TEST uses the training pictures{also}; --val 0.2 holds out "
                     "a fifth")  # fmt: skip
    return given
