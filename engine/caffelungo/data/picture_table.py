"""Tables of pictures: CSV or TSV files with a line of column names, one of them for paths and one for labels.

Several columns, or one whose cells hold several labels, give each picture a row of numbers (``target_rows``).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffelungo import shell
from caffelungo.data import target_rows
from caffelungo.data.decode import SUFFIXES
from caffelungo.data.image_list import LIMIT, ImageList, of_targets
from caffelungo.data.target_rows import Targets
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.wording import counted, listed

PATHS = ("path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "imageid", "img",
         "picture", "photo", "imgpath")  # fmt: skip
LABELS = ("label", "class", "category", "target", "species", "classname", "labelname", "y", "diagnosis", "dx",
          "labels", "classes", "categories", "targets", "tags")  # fmt: skip
"""Names of columns, in lower case and without signs between the words, that mean the same to everybody."""
MOST = 1 << 30
"""Bytes of a table: beyond it is no table of pictures."""


@dataclass(frozen=True)
class PictureColumns:
    """The columns of paths and labels as the user names them; None: guessed by name.

    ``label`` may name several, with commas between them. ``numbers``: they hold values to predict, no labels; None:
    they do where some have fractions.
    """

    path: str | None = None
    label: str | None = None
    numbers: bool | None = False


@dataclass(frozen=True)
class PictureTable:
    """The pictures of a table (by absolute paths), its columns by name, and what was assumed."""

    pictures: ImageList
    columns: dict[str, list[str]]
    notices: tuple[str, ...]


def is_table(file: Path, columns: PictureColumns) -> bool:
    """Whether the text file ``file`` is a table: by what its first line says, not by its name alone."""
    if columns.path is not None or columns.label is not None:
        return True
    with file.open("rb") as stream:
        head = stream.read(65536)
    if b"\0" in head:
        return False
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    first = lines[0] if lines else ""
    if file.suffix.lower() in (".csv", ".tsv"):
        return any(mark in first for mark in ",;\t")
    names = [column_word(cell) for cell in _split(first)]
    return len(names) > 1 and any(name in PATHS for name in names) and any(name in LABELS for name in names)


def read_table(file: Path, columns: PictureColumns) -> PictureTable:
    """The pictures of ``file``. Paths are tried from its folder, then from the working directory.

    Labels that are all whole numbers from 0 keep their numbers; others are numbered in the order of their names.
    UserError with every line that is wrong, and where the columns are not clear.
    """
    if (size := file.stat().st_size) > MOST:
        raise UserError("the table is too large", where=Location(str(file)), received=f"{size / 1e9:.3g} GB",
                        remedy="name a list of pictures, or a smaller table")  # fmt: skip
    rows, names, lines = table_rows(file)
    path, chosen, notices = _chosen(file, names, columns)
    at, labelled = names.index(path), [names.index(one) for one in chosen]
    problems: list[Problem] = []
    found: list[str] = []
    bases = tuple(dict.fromkeys((f"{file.absolute().parent}/", f"{Path.cwd()}/")))
    sign, as_numbers = None, bool(columns.numbers)
    if len(labelled) == 1 and not columns.numbers:
        column = [row[labelled[0]].strip() for row in rows if len(row) == len(names)]
        as_numbers = columns.numbers is None and target_rows.have_fractions(column)
        notices += target_rows.reading(chosen[0], column) if columns.numbers is None else []
        sign = None if as_numbers else target_rows.separator(column)
    single = len(labelled) == 1 and not as_numbers and sign is None
    kept: list[int] = []
    for number, (row, line) in enumerate(zip(rows, lines, strict=True)):
        problem, name = _fault(file, row, line, names, at, labelled if single else [], bases)
        if problem is not None:
            problems.append(problem)
            continue
        found.append(name)
        kept.append(number)
    numbers = np.array([lines[number] for number in kept], np.int64)
    cells = [[rows[number][place].strip() for place in labelled] for number in kept]
    if single:
        classes, values = _classes([row[0] for row in cells])
        pictures = ImageList(file, found, np.array(values, np.int64), numbers, ("",), classes)
    else:
        targets, wrong = _targets(cells, chosen, sign, as_numbers, notices)
        problems += [_no_number(file, lines[kept[place]], cells[place], chosen) for place in wrong]
        pictures = of_targets(file, found, targets.rows, targets.names, lines=numbers)
    _refuse(file, problems, rows, found)
    every = {name: [rows[number][place] for number in kept] for place, name in enumerate(names)}
    return PictureTable(pictures, every, tuple(notices))


def _refuse(file: Path, problems: list[Problem], rows: Sequence[Sequence[str]], found: Sequence[str]) -> None:
    """Raise UserError with ``problems``, the first of many, or for a table without a picture."""
    if len(problems) > LIMIT:
        rest = len(problems) - LIMIT
        problems = [
            *problems[:LIMIT],
            Problem(
                f"{rest} more lines of the table are wrong",
                Location(str(file)),
                f"{len(problems)} of {counted(len(rows), 'line')}",
                "correct these first",
            ),
        ]
    if not problems and not found:
        problems = [Problem("the table is empty", Location(str(file)), "no line below the names of the columns",
                            "write one line per picture")]  # fmt: skip
    if problems:
        raise UserError(problems)


def _targets(
    cells: Sequence[Sequence[str]], names: Sequence[str], sign: str | None, as_numbers: bool, notices: list[str]
) -> tuple[Targets, list[int]]:
    """The targets in ``cells``, and the places of those that are wrong; says what was assumed."""
    if sign is None:
        targets, wrong = target_rows.of_columns(cells, names, as_numbers)
        unknown = int((targets.rows == target_rows.UNKNOWN).sum()) if targets.labels else 0
        if unknown:
            notices.append(f"{counted(unknown, 'label is', 'labels are')} unknown, and not learned from")
        return targets, wrong
    texts = [row[0] for row in cells]
    lists = [None if text == "?" else target_rows.split(text, sign) for text in texts]
    notices.append(f"cells of column `{names[0]}` hold several labels, with `{sign}` between them")
    if bare := sum(one == [] for one in lists):
        notices.append(f"{counted(bare, 'picture has', 'pictures have')} none of the labels: write ? where unknown")
    return target_rows.of_names(lists), []


def _no_number(file: Path, line: int, cells: Sequence[str], names: Sequence[str]) -> Problem:
    at = next(place for place, text in enumerate(cells) if target_rows.numbers([text]) is None)
    return Problem(
        "a cell is not a number", Location(str(file), line), f"column {names[at]}: {cells[at] or 'empty'}",
        "write a finite number, or 1, 0 and ? (unknown) in all columns of labels",
    )  # fmt: skip


def table_rows(file: Path) -> tuple[list[list[str]], list[str], list[int]]:
    """The rows below the first one, the names of the columns, and the line on which each row begins."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("the table is not UTF-8 text", where=Location(str(file)), received=str(error),
                        remedy="save it as UTF-8") from None  # fmt: skip
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    begin = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(begin)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UserError("the table cannot be read", where=Location(str(file), begin), received=str(error),
                        remedy="close every quote, and double the quotes inside quoted cells") from None  # fmt: skip
    if not rows:
        raise UserError("the table is empty", where=Location(str(file)), received="no line",
                        remedy="name its columns in the first line, then write one line per picture")  # fmt: skip
    names = [cell.strip() for cell in rows[0]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError("two columns have the same name", where=Location(str(file), 1), received=repr(twice),
                        remedy="give each column its name")  # fmt: skip
    return rows[1:], names, lines[1:]


def _chosen(file: Path, names: list[str], columns: PictureColumns) -> tuple[str, tuple[str, ...], list[str]]:
    """The columns of paths and of labels, and what is to be said of the guess."""
    problems: list[Problem] = []
    path, guessed_path = _column(file, names, columns.path, "paths", PATHS, "--path-column", problems)
    asked: list[str | None] = [columns.label]
    if columns.label is not None and columns.label not in names and "," in columns.label:
        asked = [one.strip() for one in columns.label.split(",") if one.strip()]
    each = [_column(file, names, one, "labels", LABELS, "--label-column", problems) for one in asked]
    labels = tuple(dict.fromkeys(name for name, _ in each))
    if not problems and path in labels:
        problems.append(Problem("paths and labels are in the same column", Location(str(file), 1), f"column {path}",
                                "name two columns: --path-column NAME --label-column NAME"))  # fmt: skip
    if not problems and len(labels) > target_rows.MOST_TARGETS:
        problems.append(Problem("too many columns of labels", Location(str(file), 1), counted(len(labels), "column"),
                                f"use at most {target_rows.MOST_TARGETS}"))  # fmt: skip
    if problems:
        raise UserError(problems)
    by_name = [f"paths are taken from column `{path}`"] if guessed_path else []
    if each[0][1]:
        by_name.append(f"labels {'' if by_name else 'are taken '}from {'' if by_name else 'column '}`{labels[0]}`")
    said = f"{', '.join(by_name)}, by {'their names' if len(by_name) > 1 else 'its name'}"
    return path, labels, [said] if by_name else []


def _column(
    file: Path, names: list[str], given: str | None, what: str, known: Sequence[str], flag: str, problems: list[Problem]
) -> tuple[str, bool]:
    """The column ``given``, or the one with a ``known`` name, and whether it was guessed."""
    if given is not None:
        if given not in names:
            near = did_you_mean(given, names)
            remedy = f"did you mean {flag} {shell.word(near)}?" if near else f"use one of: {', '.join(names)}"
            problems.append(Problem(f"the table has no such column of {what}", Location(str(file), 1),
                                    f"{flag} {given}", remedy))  # fmt: skip
        return given, False
    near_names = [name for name in names if column_word(name) in known]
    if len(near_names) != 1:
        received = f"columns {', '.join(names)}"
        if any(Path(name).suffix.lower() in SUFFIXES for name in names):
            received = f"a first line that names no columns: {', '.join(names)}"
        what = f"it is not clear which column holds the {what}"
        problems.append(Problem(what, Location(str(file), 1), received, f"name it: {flag} NAME"))
    return (near_names[0] if near_names else ""), True


def _fault(
    file: Path, row: list[str], line: int, names: list[str], path: int, labels: Sequence[int], bases: Sequence[str]
) -> tuple[Problem | None, str]:
    """What is wrong with a row, and where its picture is. ``labels``: columns in which no cell may be empty."""
    place = Location(str(file), line, 1, ",".join(row))
    if len(row) != len(names):
        received = f"{counted(len(row), 'cell')} under {counted(len(names), 'column')}"
        return Problem("the line has another number of cells", place, received, "quote cells that hold commas"), ""
    for column in (path, *labels):
        text = row[column].strip()
        if not text or "\n" in text:
            received = f"column {names[column]}"
            return Problem("a cell is empty or holds a line break", place, received, "correct the cell"), ""
    name = row[path].strip()
    tried = [name] if Path(name).is_absolute() else [base + name for base in bases]
    bare = Path(name).suffix.lower() not in SUFFIXES
    every = [*tried, *(one + suffix for one in tried for suffix in (".jpg", ".jpeg", ".png") if bare)]
    found = next((one for one in every if Path(one).is_file()), None)
    if found is None:
        return Problem("picture not found", place, " and ".join(tried), "correct the path, or remove the line"), ""
    if not Path(found).stat().st_size:
        return Problem(
            "picture is an empty file", place, f"{found}, 0 bytes", "replace the file, or remove the line"
        ), ""
    return None, found


def _classes(labels: list[str]) -> tuple[tuple[str, ...], list[int]]:
    """Names of the classes, and the number of each label."""
    distinct = sorted(set(labels))
    if all(re.fullmatch(r"0|[1-9]\d{0,4}", label) for label in distinct):
        numbers = [int(label) for label in labels]
        if set(numbers) == set(range(len(distinct))):
            return tuple(str(number) for number in range(len(distinct))), numbers
        distinct.sort(key=int)
    places = {name: number for number, name in enumerate(distinct)}
    return tuple(distinct), [places[label] for label in labels]


def column_word(name: str) -> str:
    """The name of a column in lower case, without signs between its words."""
    return re.sub(r"[\W_]+", "", name).lower()


def _delimiter(first: str) -> str:
    return max(",\t;", key=first.count)


def _split(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=_delimiter(line)), [])
