"""How the cells of a table's columns of labels are read: one class each, several labels, or numbers to predict.

cat            0|1|? in one column    cat|grass          31.5
one class      one label              several labels     a number
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo.data import target_rows
from caffelungo.data.table_columns import PictureColumns
from caffelungo.data.target_rows import MISSING, SEPARATORS, Targets
from caffelungo.errors import Location, Problem
from caffelungo.wording import counted

MOSTLY = 0.9
"""Share of numbers from which on a column is one of numbers, and other cells are mistakes."""
SMALL = 20
"""Whole numbers below it may be numbers of classes."""
_COMMA = re.compile(r"[+-]?\d+,\d+")
_FLAGS = ("0", "1", "-1", *MISSING)


@dataclass(frozen=True)
class Reading:
    """``single``: a class per picture. ``numbers``: values to predict. ``sign``: between the labels of a cell; None:
    each cell is a number, or with ``tags`` one label."""

    single: bool = False
    numbers: bool = False
    sign: str | None = None
    tags: bool = False


def reading(column: Sequence[str], columns: PictureColumns) -> Reading:
    """How the cells ``column`` of the only column of labels are read."""
    if columns.numbers:
        return Reading(numbers=True)
    if _is_flag(column, columns):
        return Reading()
    if columns.numbers is None and target_rows.have_fractions(column):
        return Reading(numbers=True)
    sign = target_rows.separator(column) or _sign(column, columns.known)
    if sign is not None:
        return Reading(sign=sign, tags=True)
    if columns.labels and (columns.known or any(cell in MISSING for cell in column)):
        return Reading(tags=True)
    return Reading(single=True)


def _is_flag(column: Sequence[str], columns: PictureColumns) -> bool:
    """Whether the cells say of one label whether a picture has it: 1, 0, and ? or nothing where unknown."""
    distinct = set(column)
    if not distinct <= set(_FLAGS) or not distinct & {"0", "1"}:
        return False
    return columns.labels or (columns.numbers is None and bool(distinct & set(MISSING)))


def _sign(column: Sequence[str], known: Sequence[str]) -> str | None:
    """The sign that leaves labels that the net knows alone; None where there is none."""
    for sign in SEPARATORS:
        if any(sign in cell for cell in column):
            parts = {name for cell in column if cell != "?" for name in target_rows.split(cell, sign)}
            if parts <= set(known):
                return sign
    return None


def wrong_names(
    file: Path, cells: Sequence[str], lines: Sequence[int], column: str, columns: PictureColumns
) -> list[Problem]:
    """What is wrong with ``cells`` that are to be names of classes, with the ``lines`` they are on."""
    if columns.names or columns.numbers:
        return []
    if columns.numbers is None:
        return _slips(file, cells, lines, column)
    if target_rows.have_fractions(cells):
        at = next(place for place, cell in enumerate(cells) if not float(cell).is_integer())
        return [Problem("the labels are numbers with fractions, no names of classes", Location(str(file), lines[at]),
                        f"column {column}: {cells[at]}",
                        "name a column of classes; `lungo finetune --predict numbers` predicts numbers")]  # fmt: skip
    if set(cells) <= {"0", "1", *MISSING} and set(cells) & {"0", "1"}:
        return [Problem("nothing is known of the picture's label", Location(str(file), line), f"column {column}: ?",
                        "remove the line; `lungo finetune --predict labels` takes unknown labels")
                for cell, line in zip(cells, lines, strict=True) if cell == "?"]  # fmt: skip
    return []


def _slips(file: Path, cells: Sequence[str], lines: Sequence[int], column: str) -> list[Problem]:
    """The cells that are no numbers where nearly all are."""
    read = [target_rows.numbers([cell]) for cell in cells]
    commas = [found is None and _COMMA.fullmatch(cell) is not None for found, cell in zip(read, cells, strict=True)]
    values = [found[0] for found in read if found is not None]
    like = len(values) + sum(commas)
    small = not any(commas) and all(value.is_integer() and 0 <= value < SMALL for value in values)
    if len(values) == len(cells) or small or like < MOSTLY * len(cells):
        return []
    return [
        Problem("a cell is not a number, where nearly all are", Location(str(file), line),
                f"column {column}: {cell or 'empty'}",
                f"write {cell.replace(',', '.')}, or read names: lungo finetune --predict classes" if comma
                else "correct it, or remove the line; `lungo finetune --predict classes` reads names")
        for cell, line, found, comma in zip(cells, lines, read, commas, strict=True) if found is None
    ]  # fmt: skip


def targets(
    cells: Sequence[Sequence[str]], names: Sequence[str], how: Reading, notices: list[str]
) -> tuple[Targets, list[int]]:
    """The targets in ``cells`` (rows x K texts), and the places of those that are wrong; says what was assumed."""
    if not how.tags:
        found, wrong = target_rows.of_columns(cells, names, how.numbers)
        if len(names) == 1 and found.labels and not how.numbers:
            notices.append(f"column `{names[0]}` says of one label whether a picture has it: 1, 0, and ? or nothing "
                           "where unknown")  # fmt: skip
        unknown = int((found.rows == target_rows.UNKNOWN).sum()) if found.labels else 0
        if unknown:
            notices.append(f"{counted(unknown, 'label is', 'labels are')} unknown, and not learned from")
        return found, wrong
    texts = [row[0] for row in cells]
    lists = [None if text == "?" else _labels(text, how.sign) for text in texts]
    said = f"several labels, with `{how.sign}` between them" if how.sign is not None else "one label each, or none"
    notices.append(f"cells of column `{names[0]}` hold {said}")
    if bare := sum(one == [] for one in lists):
        notices.append(f"{counted(bare, 'picture has', 'pictures have')} none of the labels: write ? where unknown")
    return target_rows.of_names(lists), [place for place, one in enumerate(lists) if one is not None and "?" in one]


def _labels(text: str, sign: str | None) -> list[str]:
    return target_rows.split(text, sign) if sign is not None else [text] if text else []


def wrong_cell(
    file: Path, line: int, cells: Sequence[str], names: Sequence[str], how: Reading, mostly_labels: bool
) -> Problem:
    """What is wrong with ``cells``, which ``targets`` found wrong. ``mostly_labels``: the others are 1, 0 and ?."""
    if how.tags:
        return Problem("`?` stands beside labels", Location(str(file), line), f"column {names[0]}: {cells[0]}",
                       "write ? alone where nothing is known, or remove it")  # fmt: skip
    at = next(place for place, text in enumerate(cells) if target_rows.numbers([text]) is None)
    remedy = "write a finite number, or remove the line"
    if mostly_labels and not how.numbers:
        remedy = "write 1, 0 or ? (unknown) in all columns of labels, or finite numbers"
    return Problem("a cell is not a number", Location(str(file), line), f"column {names[at]}: {cells[at] or 'empty'}",
                   remedy)  # fmt: skip


def mostly_labels(cells: Sequence[Sequence[str]]) -> bool:
    """Whether most of ``cells`` are 1, 0, -1 or missing."""
    flags = sum(text in _FLAGS for row in cells for text in row)
    return 2 * flags > sum(map(len, cells))
