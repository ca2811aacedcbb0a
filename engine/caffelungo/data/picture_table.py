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

from caffelungo.data import label_cells, target_rows
from caffelungo.data.decode import SUFFIXES
from caffelungo.data.image_list import LIMIT, ImageList, of_targets
from caffelungo.data.label_cells import Reading
from caffelungo.data.table_columns import LABELS, PATHS, chosen, column_word
from caffelungo.data.table_columns import PictureColumns as PictureColumns
from caffelungo.errors import Location, Problem, UserError
from caffelungo.wording import counted

MOST = 1 << 30
"""Bytes of a table: beyond it is no table of pictures."""


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
    path, labels, notices = chosen(file, names, columns)
    at, labelled = names.index(path), [names.index(one) for one in labels]
    problems: list[Problem] = []
    found: list[str] = []
    bases = tuple(dict.fromkeys((f"{file.absolute().parent}/", f"{Path.cwd()}/")))
    how = Reading(numbers=bool(columns.numbers))
    if len(labelled) == 1:
        whole = [(row[labelled[0]].strip(), line) for row, line in zip(rows, lines, strict=True)
                 if len(row) == len(names)]  # fmt: skip
        column = [cell for cell, _ in whole]
        how = label_cells.reading(column, columns)
        notices += target_rows.reading(labels[0], column) if columns.numbers is None else []
        slips = label_cells.wrong_names(file, column, [line for _, line in whole], labels[0], columns)
        if slips and (how.single or how.sign == ","):
            _refuse(file, slips, rows, found)
    kept: list[int] = []
    for number, (row, line) in enumerate(zip(rows, lines, strict=True)):
        problem, name = _fault(file, row, line, names, at, labelled if how.single else [], bases)
        if problem is not None:
            problems.append(problem)
            continue
        found.append(name)
        kept.append(number)
    numbers = np.array([lines[number] for number in kept], np.int64)
    cells = [[rows[number][place].strip() for place in labelled] for number in kept]
    if how.single:
        classes, values = _classes([row[0] for row in cells])
        pictures = ImageList(file, found, np.array(values, np.int64), numbers, ("",), classes)
    else:
        targets, wrong = label_cells.targets(cells, labels, how, notices)
        flags = label_cells.mostly_labels(cells)
        problems += [
            label_cells.wrong_cell(file, lines[kept[place]], cells[place], labels, how, flags) for place in wrong
        ]
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


def _delimiter(first: str) -> str:
    return max(",\t;", key=first.count)


def _split(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=_delimiter(line)), [])
