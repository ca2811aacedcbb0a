"""Rows of numbers as targets of pictures: several labels of each (1, 0, -1 where unknown), or values to predict.

list of an ImageData layer with `lungo { image_data { label_size: 3 } }`     path 1 0 -1
columns of a table                                                            path,cat,dog,grass
one column, or the rest of a line, with names                                 path,cat|grass
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.decode import SUFFIXES
from caffelungo.definition import layer_options
from caffelungo.layers.label_measures import UNKNOWN as UNKNOWN

MOST_TARGETS = 10_000
"""Numbers per picture: beyond it is no list of targets."""
MISSING = ("", "?")
"""Cells of a table without a value."""
SEPARATORS = "|;,"
MANY_CLASSES = 20
"""From more different whole numbers on it is said that they are read as classes."""
SEEN = 100
"""Lines by which a list is recognised."""

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """``rows`` (pictures x K) with the names of the K columns. ``labels``: they are 1, 0 or UNKNOWN."""

    rows: Rows
    names: tuple[str, ...]
    labels: bool


def label_size(param: Any) -> int:
    """Numbers per picture that the data layer ``param`` reads from its list; 0: one label, a whole number."""
    if param.type != "ImageData":
        return 0
    layer_options.load()
    return int(layer_options.value(param.lungo, layer_options.key(param.type)).label_size)


def numbers(texts: Sequence[str]) -> tuple[float, ...] | None:
    """The texts as finite numbers of 32 bits; None where one is none."""
    try:
        values = tuple(map(float, texts))
    except ValueError:
        return None
    return values if all(abs(value) < _TOO_LARGE for value in values) else None  # False for NaN


_TOO_LARGE = (2 - 2**-24) * 2.0**127
"""The smallest number that is infinite when rounded to 32 bits."""


def row_text(row: Iterable[float]) -> str:
    """The shortest text that reads as the same numbers of 32 bits."""
    return " ".join(str(np.float32(value)).removesuffix(".0") for value in row)


def are_labels(rows: Rows) -> bool:
    """Whether every number is 0, 1 or UNKNOWN, as labels are."""
    return bool(np.isin(rows, (0, 1, UNKNOWN)).all())


def of_columns(cells: Sequence[Sequence[str]], names: Sequence[str], as_numbers: bool) -> tuple[Targets, list[int]]:
    """The targets in ``cells`` (rows x K texts), and the rows in which one is wrong.

    Where all are 0, 1, -1 or missing they are labels, unless ``as_numbers``; otherwise each must be a finite number.
    """
    labels = not as_numbers and all(text in (*MISSING, "0", "1", "-1") for row in cells for text in row)
    rows = np.full((len(cells), len(names)), UNKNOWN, np.float32)
    wrong: list[int] = []
    for place, row in enumerate(cells):
        values = numbers([str(UNKNOWN) if labels and text in MISSING else text for text in row])
        if values is None:
            wrong.append(place)
        else:
            rows[place] = values
    return Targets(rows, tuple(names), labels), wrong


def have_fractions(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers, and some of them no whole ones: those are no names of classes."""
    values = numbers(texts)
    return values is not None and not all(value.is_integer() for value in values)


def reading(column: str, texts: Sequence[str]) -> list[str]:
    """What is to be said of how a column of labels is read where nobody said it."""
    if have_fractions(texts):
        return [f"column `{column}` holds numbers with fractions, read as values to predict (--predict classes: names)"]
    distinct = set(texts)
    if len(distinct) > MANY_CLASSES and numbers(sorted(distinct)) is not None:
        return [
            f"column `{column}` holds {len(distinct)} different whole numbers, read as classes; "
            "--predict numbers reads values to predict"
        ]
    return []


def per_line(lines: Sequence[str]) -> int:
    """How many numbers stand after the picture in each of ``lines``; 0 where these are not as many, or no numbers."""
    found = [after_picture(line) for line in lines[:SEEN]]
    words = [one[1] for one in found if one is not None]
    counts = {len(one) for one in words}
    same = len(counts) == 1 and len(words) == len(found) and all(numbers(one) is not None for one in words)
    return counts.pop() if same and max(counts) <= MOST_TARGETS else 0


def separator(cells: Sequence[str]) -> str | None:
    """The sign between several labels in ``cells``; None where each holds one.

    A comma may belong to a name (`tench, Tinca tinca`): it separates where it leaves fewer names than there were, some
    of them in several cells.
    """
    distinct = set(cells)
    for sign in SEPARATORS[:2]:
        if any(sign in cell for cell in distinct):
            return sign
    with_comma = [cell for cell in distinct if "," in cell]
    parts = {name for cell in distinct for name in split(cell, ",")}
    return "," if with_comma and 1 < len(parts) < len(distinct) else None


def split(cell: str, sign: str) -> list[str]:
    """The names in ``cell``."""
    return [name for part in cell.split(sign) if (name := part.strip())]


def of_names(lists: Sequence[Sequence[str] | None]) -> Targets:
    """The targets of pictures that have the labels in ``lists``; those of None are unknown. Labels sorted by name."""
    names = sorted({name for one in lists for name in one or ()})
    places = {name: place for place, name in enumerate(names)}
    rows = np.zeros((len(lists), len(names)), np.float32)
    for row, one in zip(rows, lists, strict=True):
        if one is None:
            row[:] = UNKNOWN
        else:
            row[[places[name] for name in one]] = 1
    return Targets(rows, tuple(names), labels=True)


def after_picture(line: str) -> tuple[str, list[str]] | None:
    """The path in a line of a list, which ends with a suffix of pictures, and the words after it; None without one."""
    ends = picture_ends(line)
    return (line[: ends[-1]].strip(), line[ends[-1] :].split()) if ends else None


def picture_ends(line: str) -> list[int]:
    """Where in ``line`` words end that end with a suffix of pictures."""
    return [
        found.end() for found in _WORD.finditer(line) if found.group().lower().strip("\"'").endswith(tuple(SUFFIXES))
    ]


_WORD = re.compile(r"\S+")


def kind_of_list(lines: Sequence[str]) -> int | str:
    """What follows the paths in ``lines``: that many numbers (2 or more), `names` of labels, or `label`: one label."""
    counts: set[int] = set()
    named = several = False
    for line in lines[:SEEN]:
        found = after_picture(line)
        if found is None:
            return "label"
        words = found[1]
        counts.add(len(words))
        is_named = numbers(words) is None
        named, several = named or is_named, several or (is_named and len(names_in(words)) > 1)
    if not named and len(counts) == 1 and 1 < (count := counts.pop()) <= MOST_TARGETS:
        return count
    return "names" if several else "label"


def names_in(words: Sequence[str]) -> list[str]:
    """The labels in the words after a path: one per word, or several joined by one of SEPARATORS."""
    return [name for word in words for name in re.split(f"[{re.escape(SEPARATORS)}]", word) if name]
