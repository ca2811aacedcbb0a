"""The pictures that a user names by a folder or by a list. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caffelungo.data import corrections, image_list, named_pictures
from caffelungo.data.decode import SUFFIXES
from caffelungo.data.image_list import ImageList, pictures_below, read_list, write_list
from caffelungo.data.parallel import Progress
from caffelungo.data.picture_table import PictureColumns
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

FLAT = "pictures.txt"
"""The list that is written for a folder without classes, which a data layer cannot read itself."""


@dataclass(frozen=True)
class Listing:
    """``source`` is what an ImageData layer reads; ``labelled`` whether the labels mean anything."""

    source: Path
    pictures: ImageList
    labelled: bool
    notices: tuple[str, ...] = ()


def listing(
    data: str | Path,
    beside: Path,
    progress: Progress | None = None,
    columns: PictureColumns | None = None,
    corrected: str | None = None,
) -> Listing:
    """The pictures of ``data``: a flat folder, or what ``named_pictures`` knows.

    For a flat folder a list is written into the folder ``beside``. ``corrected``: a file of corrections to the labels.
    UserError with every picture that is missing.
    """
    named = named_pictures.resolve(data, columns, progress)
    found = named.folder or named.source
    flat = _flat(found) if named.folder is not None else []
    notices = list(named.notices)
    if flat and not any(below for below in found.iterdir() if below.is_dir() and pictures_below(below)):
        source = beside / FLAT
        write_list(source, ((str(found.absolute() / name), -1) for name in flat))
        pictures, labelled = read_list(source), False
    else:
        source, labelled = found.absolute(), True
        parts = list(named.lists.values())
        pictures = parts[0] if len(parts) == 1 else read_list(source)  # of several parts the source has all
        if named.made:
            pictures.classes = parts[0].classes
        if flat:
            notices.append(f"{counted(len(flat), 'picture')} outside the class folders skipped, such as {flat[0]}")
    if corrected is not None and not labelled:
        raise UserError(
            "pictures without labels cannot be corrected", where=Location(str(found)),
            received=f"--corrections {corrected}", remedy="remove it, or name a folder of classes",
        )  # fmt: skip
    if corrected is not None:
        source, pictures, said = corrections.as_list(corrected, pictures)
        notices += said
    if problems := image_list.check(pictures, progress=progress):
        raise UserError(problems)
    return Listing(source, pictures, labelled, tuple(notices))


def _flat(folder: Path) -> list[str]:
    """The names of the pictures that lie in ``folder`` itself, sorted."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    shown = [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
    if wrong := [name for name in shown if "\n" in name]:
        raise UserError("a file's name contains a line break", where=Location(str(folder)), received=repr(wrong[0]),
                        remedy="rename it")  # fmt: skip
    return shown
