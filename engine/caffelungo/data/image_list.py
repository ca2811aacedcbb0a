"""Lists of pictures, one `path label` per line, split at the last space (Caffe: ImageDataLayer, convert_imageset).

Instead of one label there may be a row of numbers (``target_rows``): several labels, or values to predict.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import class_folders, target_rows, uneven_lines
from caffelungo.data.decode import UNREAD, decode
from caffelungo.data.parallel import Progress as Progress
from caffelungo.data.parallel import in_order
from caffelungo.errors import Alike, Location, Problem, UserError
from caffelungo.files import find, write_bytes, write_text
from caffelungo.wording import counted, listed

LIMIT = 20
"""Mistakes shown one by one; the rest is counted."""

Target = int | tuple[float, ...]
"""What is known of a picture: its label, or its row of numbers."""
WRONG_LINES = 1000
"""Lines without a label that are kept as problems; the rest is counted."""

LABELS = "labels.txt"
"""File beside a list of pictures that names its classes, one per line."""


@dataclass
class ImageList:
    """The pictures of a list or of a folder of classes. ``names`` are paths as the file has them.

    ``bases`` are the prefixes a name is tried with. ``lines`` are line numbers in ``file`` (0s for a folder), ``texts``
    the lines. ``classes`` are the names of the classes: of a folder, or of ``labels.txt`` beside a list; else empty.
    ``notices``: what is worth knowing of a folder.

    ``targets`` (pictures x K, float32) are their rows of numbers, with ``target_names`` (K names, or none); None where
    each picture has one label. ``labels`` then are -1, which is no class.
    """

    file: Path
    names: list[str]
    labels: NDArray[np.int64]
    lines: NDArray[np.int64]
    bases: tuple[str, ...]
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    targets: NDArray[np.float32] | None = None
    target_names: tuple[str, ...] = ()

    @property
    def label_size(self) -> int:
        """K, the numbers of each picture; 0: it has one label."""
        return 0 if self.targets is None else self.targets.shape[1]

    def target(self, index: int) -> Target:
        """What a list says of picture ``index``: its label, or its row of numbers."""
        return int(self.labels[index]) if self.targets is None else tuple(self.targets[index].tolist())

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> str:
        """Where picture ``index`` is; when it is nowhere, the first place tried."""
        name = self.names[index]
        spellings = (name, name.replace("\\", "/")) if os.sep == "/" and "\\" in name else (name,)
        tried = [base + spelling for spelling in spellings for base in self.bases]
        if name.startswith("/"):
            tried.append(name)
        if len(tried) == 1:
            return tried[0]
        return next((path for path in tried if Path(path).exists()), tried[0])

    def where(self, index: int) -> Location:
        """The place of picture ``index`` for a message."""
        if not self.lines[index]:
            return Location(self.path(index))
        return Location(str(self.file), int(self.lines[index]), 1, _line(self.names[index], self.target(index)))


def read_list(
    path: str | Path,
    root: str = "",
    *,
    beside: str | Path | None = None,
    where: Location | None = None,
    problems: list[Problem] | None = None,
    label_size: int = 0,
) -> ImageList:
    """Read the list ``path``, or the classes of the folder ``path``. ``root`` goes before each name, as Caffe does.

    Relative names without a root are tried from the working directory and from the list's folder; a relative root
    from the working directory and from ``beside``. ``label_size``: how many numbers each line ends with; 0: one label.
    Raises UserError with every wrong line, or for an empty list; wrong lines beside others go to ``problems``, where
    that is given, and the rest is read.
    """
    file = find(path, beside, what="list of pictures", where=where)
    if file.is_dir() and label_size:
        raise UserError(
            f"pictures with {counted(label_size, 'number')} each need a list",
            where=where or Location(str(file)),
            received=f"the folder {file}",
            remedy="name a list with one `path number number ...` per line, or remove `label_size`",
        )
    if file.is_dir():
        return read_folder(file)
    with file.open("rb") as stream:
        start = stream.read(4096)
    if b"\0" in start:
        raise UserError(
            "a list of pictures must be text",
            where=Location(str(file)),
            received="a binary file",
            remedy="name a text file with one `path label` per line, or a folder with one sub-folder per class",
        )
    names, labels, rows, lines, wrong = _parse(file, label_size)
    if uneven := uneven_lines.problems(file, names, lines, label_size or 1):
        raise UserError([*uneven, *wrong])
    if wrong and (problems is None or not names):
        raise UserError(wrong)
    if problems is not None:
        problems += wrong
    bases, numbers = list_bases(root, file, beside), np.array(lines, np.int64)
    if label_size:
        known = read_names(file.with_name(LABELS))
        return of_targets(file, names, np.array(rows, np.float32), known if len(known) == label_size else (),
                          lines=numbers, bases=bases)  # fmt: skip
    return ImageList(file, names, np.array(labels, np.int64), numbers, bases, names_beside(file, max(labels)))


def of_targets(
    file: Path,
    names: list[str],
    rows: NDArray[np.float32],
    target_names: tuple[str, ...],
    *,
    lines: NDArray[np.int64] | None = None,
    bases: tuple[str, ...] = ("",),
) -> ImageList:
    """The list of the pictures ``names`` with ``rows`` (pictures x K) as their targets."""
    numbers = np.zeros(len(names), np.int64) if lines is None else lines
    no_class = np.full(len(names), target_rows.UNKNOWN, np.int64)
    return ImageList(file, names, no_class, numbers, bases, targets=rows, target_names=target_names)


def names_beside(file: Path, largest: int) -> tuple[str, ...]:
    """The lines of ``labels.txt`` beside ``file``, where there is one with a line for each label; else none."""
    names = read_names(file.with_name(LABELS))
    return names if len(names) > largest else ()


def read_names(path: Path) -> tuple[str, ...]:
    """The names of classes in ``path``, one per line; none where there is no such file, or one that is too large."""
    if not path.is_file() or path.stat().st_size > 1 << 20:
        return ()
    lines = path.read_text("utf-8", errors="replace").split("\n")
    return tuple(line.strip() for line in lines if line.strip())


def _parse(
    file: Path, label_size: int
) -> tuple[list[str], list[int], list[tuple[float, ...]], list[int], list[Problem]]:
    """Names, labels (or rows of ``label_size`` numbers) and numbers of the lines, and what is wrong with the others."""
    names: list[str] = []
    labels: list[int] = []
    rows: list[tuple[float, ...]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    wrong = 0
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline=None) as stream:
        for number, raw in enumerate(stream, 1):
            line = raw.strip()
            if not line:
                continue
            parts = line.rsplit(None, label_size or 1)
            row = target_rows.numbers(parts[1:]) if label_size and len(parts) > label_size else None
            label = None if label_size else _label(parts)
            if row is None and label is None:
                wrong += 1
                if wrong <= WRONG_LINES:
                    place = Location(str(file), number, 1, raw.encode(errors="replace").decode())
                    problems.append(_no_target(parts, place, label_size) if label_size else _no_label(parts, place))
                continue
            if row is not None:
                rows.append(row)
            if label is not None:
                labels.append(label)
            names.append(_unquoted(parts[0].rstrip()))
            lines.append(number)
    have = f"do not end with {counted(label_size, 'number')}" if label_size else "have no label"
    end = f"a space and {counted(label_size, 'number')}" if label_size else "a space and the label"
    if wrong > WRONG_LINES:
        received = f"{wrong} of {wrong + len(names)} lines"
        more = f"{wrong - WRONG_LINES} more lines {have}"
        problems.append(Problem(more, Location(str(file)), received, f"end each line with {end}"))
    if not problems and not names:
        problems.append(
            Problem(
                "the list of pictures is empty",
                Location(str(file)),
                "no line with a path and a label",
                "write one `path label` per line, or name a folder with one sub-folder per class",
            )
        )
    return names, labels, rows, lines, problems


def _label(parts: list[str]) -> int | None:
    """The label after the last space; None where there is none that Caffe's lists and databases hold."""
    try:
        label = int(parts[1])
    except (IndexError, ValueError):
        return None
    return label if -(2**31) <= label < 2**31 else None


def _no_label(parts: list[str], place: Location) -> Problem:
    received = f"`{parts[1]}` after the last space" if len(parts) > 1 else "no space"
    remedy = "end the line with a space and the label, a whole number of 32 bits: `pictures/cat 1.jpg 0`"
    return Problem("the line has no label", place, received, remedy, alike=Alike("lines have no label", received))


def _no_target(parts: list[str], place: Location, label_size: int) -> Problem:
    wrong = next((part for part in parts[1:] if target_rows.numbers([part]) is None), None)
    received = f"`{wrong}`" if wrong is not None else counted(len(parts) - 1, "number")
    wanted = counted(label_size, "number")
    remedy = f"end the line with a space and {wanted}, or correct the layer's `label_size: {label_size}`"
    alike = Alike(f"lines do not end with {wanted}", received)
    return Problem(f"the line does not end with {wanted}", place, received, remedy, alike=alike)


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name


def list_bases(root: str, file: Path, beside: str | Path | None) -> tuple[str, ...]:
    """The prefixes with which names in the list ``file`` are tried."""
    if not root:
        folder = str(file.parent)
        return ("",) if folder == "." else ("", f"{folder}/")
    roots = [root] if beside is None or Path(root).is_absolute() else [root, str(Path(beside).parent / root)]
    bases: list[str] = []
    for each in roots:
        bases.extend([each] if each.endswith("/") else [f"{each}/", each])
    return tuple(dict.fromkeys(bases))


def read_folder(folder: Path, *, empty: bool = True) -> ImageList:
    """The pictures below ``folder``, which has one sub-folder per class; classes and pictures sorted by name.

    ``empty``: whether a sub-folder without pictures is a class, too, so that labels are those of another folder of the
    same classes. Folders that systems leave behind are none. UserError when there is no picture, or when two folders
    have the same name to the eye.
    """
    names, others = class_folders.sub_folders(folder)
    found = {name: sorted(class_folders.below(folder / name)) for name in names}
    bare = [name for name in names if not found[name]]
    classes = tuple(name for name in names if empty or found[name])
    problems, notices = class_folders.twins(classes, folder)
    if problems:
        raise UserError(problems)
    pictures = [f"{name}/{picture}" for name in classes for picture in found[name]]
    labels = [label for label, name in enumerate(classes) for _ in found[name]]
    if not pictures:
        raise _no_pictures(folder, names)
    if left := [name for name in others if class_folders.has_pictures(folder / name)]:
        notices.append(f"{counted(len(left), 'system folder')} with pictures skipped: {listed(left, 5)}")
    if bare:
        kept = "without a picture kept, with a label" if empty else "without a picture skipped"
        notices.append(f"{counted(len(bare), 'folder')} {kept}: {listed(bare, 5)}")
    if deep := class_folders.nested(pictures):
        notices.append(deep)
    lines = np.zeros(len(pictures), np.int64)
    return ImageList(folder, pictures, np.array(labels, np.int64), lines, (f"{folder}/",), classes, tuple(notices))


def _no_pictures(folder: Path, classes: list[str]) -> UserError:
    received = "no picture in them"
    remedy = f"make one sub-folder per class, and put its pictures into it: {folder}/cat/1.jpg, {folder}/dog/1.jpg"
    if unread := unread_below(folder):
        received = f"{counted(len(unread), 'photo')} in an unsupported format, such as {unread[0]}"
        remedy = "convert them to JPEG or PNG, in one sub-folder per class"
    return UserError(
        "the folder holds no pictures in class folders",
        where=Location(str(folder)),
        received=f"{counted(len(classes), 'sub-folder')}, {received}",
        remedy=remedy,
    )


def pictures_below(folder: Path) -> list[str]:
    """Paths of the pictures in ``folder`` and below, relative to it, by their suffix; hidden ones are left out."""
    return list(class_folders.below(folder))


def unread_below(folder: Path) -> list[str]:
    """Paths of the photos in ``folder`` and below that cannot be read (HEIC, raw files), by their suffix; sorted."""
    return sorted(class_folders.below(folder, UNREAD))


def check(
    pictures: ImageList,
    *,
    decoded: bool = False,
    limit: int = LIMIT,
    progress: Progress | None = None,
    shapes: dict[int, tuple[int, int]] | None = None,
) -> list[Problem]:
    """A problem for each picture that is missing or empty, or (``decoded``) cannot be decoded; the rest counted.

    ``shapes`` takes height and width of those that are decoded.
    """
    problems: list[Problem] = []
    wrong = 0
    for _, problem in in_order(lambda index: _fault(pictures, index, decoded, shapes), range(len(pictures)), progress):
        if problem is not None:
            wrong += 1
            if wrong <= limit:
                problems.append(problem)
    if wrong > limit:
        problems.append(
            Problem(
                f"{wrong - limit} more pictures are missing or unreadable",
                Location(str(pictures.file)),
                f"{wrong} of {len(pictures)}",
                "correct the root folder, if the paths are otherwise right",
            )
        )
    return problems


def _fault(pictures: ImageList, index: int, decoded: bool, shapes: dict[int, tuple[int, int]] | None) -> Problem | None:
    path = pictures.path(index)
    where = pictures.where(index)
    try:
        size = Path(path).stat().st_size
    except OSError:
        return Problem(
            "picture not found",
            where,
            " and ".join(os.path.abspath(base + pictures.names[index]) for base in pictures.bases),
            "correct the path, the root folder, or remove the line",
        )
    if not size:
        return Problem("picture is an empty file", where, f"{path}, 0 bytes", "replace the file, or remove its line")
    if decoded:
        try:
            height, width, _ = decode(path).shape
            if shapes is not None:
                shapes[index] = height, width
        except UserError as error:
            first = error.problems[0]
            return Problem(first.what, where, f"{path}, {first.received}", first.remedy)
    return None


def write_list(path: str | Path, entries: Iterable[tuple[str, int | Sequence[float]]]) -> None:
    """Write a list that ``read_list`` and Caffe read, or one with rows of numbers, which is ours."""
    text = "".join(f"{_line(name, target)}\n" for name, target in entries)
    write_bytes(path, text.encode(errors="surrogateescape"))


def _line(name: str, target: int | Sequence[float]) -> str:
    return f"{name} {target if isinstance(target, int) else target_rows.row_text(target)}"


def write_names(path: str | Path, classes: Iterable[str]) -> None:
    """Write names of classes that ``read_names`` reads, one per line."""
    write_text(path, "".join(f"{' '.join(name.split())}\n" for name in classes))
